import type { GrantSource } from '../content/retry-transfer.ts';

/** Who needs a content: with which grant, and for how long. */
export interface Need {
  grant: GrantSource;
  signal: AbortSignal;
}

/** Runs `download` once for all who need the same key at the same time; it goes on while one of them still needs it. */
export type ShareDownload = (key: string, need: Need, download: (need: Need) => Promise<void>) => Promise<void>;

interface Shared {
  needs: Set<Need>;
  finished: Promise<void>;
  controller: AbortController;
}

export function shareDownloads(): ShareDownload {
  const running = new Map<string, Shared>();

  function begin(key: string, download: (need: Need) => Promise<void>): Shared {
    const needs = new Set<Need>();
    const controller = new AbortController();
    const first = (): GrantSource | undefined => needs.values().next().value?.grant;
    let lastGrant = '';
    const grant: GrantSource = {
      current: () => {
        lastGrant = first()?.current() ?? lastGrant;
        return lastGrant;
      },
      // All are asked: the next try takes whichever came.
      refresh: () => [...needs].map((need) => need.grant.refresh()).includes(true),
    };
    // Begun a tick later, so that the first need is there when the download asks for a grant.
    const finished = Promise.resolve()
      .then(() => download({ grant, signal: controller.signal }))
      .finally(() => {
        if (running.get(key) === shared) {
          running.delete(key);
        }
      });
    finished.catch(() => undefined);
    const shared: Shared = { needs, finished, controller };
    running.set(key, shared);
    return shared;
  }

  return async (key, need, download) => {
    need.signal.throwIfAborted();
    const shared = running.get(key) ?? begin(key, download);
    shared.needs.add(need);
    let leave = (): void => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        shared.needs.delete(need);
        if (shared.needs.size === 0) {
          if (running.get(key) === shared) {
            running.delete(key);
          }
          shared.controller.abort(need.signal.reason);
        }
        reject(need.signal.reason);
      };
      need.signal.addEventListener('abort', leave, { once: true });
    });
    try {
      await Promise.race([shared.finished, left]);
    } finally {
      need.signal.removeEventListener('abort', leave);
      shared.needs.delete(need);
    }
  };
}
