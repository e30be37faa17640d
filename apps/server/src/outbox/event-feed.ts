import type { JobEvent } from '@pictor/protocol';
import type pg from 'pg';
import { type Db, listen } from '../db/index.ts';
import { OUTBOX_CHANNEL } from './publish.ts';
import { type Cursor, currentCursor, isCursorKept, readOutbox, sweepOutbox } from './read-outbox.ts';

type ProgressEvent = Extract<JobEvent, { type: 'frames.progress' }>;

/** `cursor` is null for what is not kept: progress. */
export interface FeedItem {
  cursor: Cursor | null;
  event: JobEvent;
}

/** All streams of events of one server process. */
export interface EventFeed {
  /**
   * Events of a job (of all with null) after a cursor, then live, until `signal` aborts or the feed closes. Begins with `resync` where
   * there is no cursor, or one whose successors are not kept: load everything anew, then follow.
   */
  subscribe(options: { jobId: string | null; after: Cursor | null; signal: AbortSignal }): AsyncIterable<FeedItem>;
  /** Tells the streams that are open now; a slow one gets only the latest of each job. */
  broadcast(event: ProgressEvent): void;
  close(): Promise<void>;
}

/** Where no notification came, e.g. across a failover, streams look by themselves. */
const LOOK_AGAIN_MS = 5000;
const HELD_BACK_MS = 25;
const SWEEP_MS = 3_600_000;

/** Starts listening for new rows of the outbox. Close it before the database. */
export async function createEventFeed(options: {
  db: Db;
  connection: pg.ClientConfig;

  log: (message: string) => void;
}): Promise<EventFeed> {
  const { db } = options;
  const streams = new Set<Stream>();
  const closing = new AbortController();
  const listener = await listen(options.connection, OUTBOX_CHANNEL, () => {
    for (const stream of streams) stream.wake(true);
  });
  const sweep = () => {
    sweepOutbox(db).catch((error) => options.log(`old events could not be removed: ${error.message}`));
  };
  sweep();
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  async function* subscribe(wanted: { jobId: string | null; after: Cursor | null; signal: AbortSignal }) {
    const signal = AbortSignal.any([wanted.signal, closing.signal]);
    const stream = new Stream(wanted.jobId, signal);
    streams.add(stream);
    try {
      let cursor = wanted.after;
      if (cursor === null || !(await isCursorKept(db, cursor))) {
        cursor = await currentCursor(db);
        yield { cursor, event: { type: 'resync' } } satisfies FeedItem;
      }
      let lookAt = 0;
      while (!signal.aborted) {
        for (const event of stream.takeProgress()) yield { cursor: null, event } satisfies FeedItem;
        if (stream.takeRowsDue() || Date.now() >= lookAt) {
          const page = await readOutbox(db, cursor, wanted.jobId);
          for (const item of page.events) yield item;
          cursor = page.events.at(-1)?.cursor ?? cursor;
          if (page.events.length > 0) lookAt = 0;
          else lookAt = Date.now() + (page.isHeldBack ? HELD_BACK_MS : LOOK_AGAIN_MS);
        }
        await stream.sleep(lookAt - Date.now());
      }
    } finally {
      streams.delete(stream);
    }
  }

  return {
    subscribe,
    broadcast(event) {
      for (const stream of streams) stream.addProgress(event);
    },
    async close() {
      clearInterval(sweeper);
      closing.abort();
      await listener.close();
    },
  };
}

/** One reader's wake-ups and the progress that it has not read yet. */
class Stream {
  readonly #jobId: string | null;
  readonly #signal: AbortSignal;
  readonly #progress = new Map<string, ProgressEvent>();
  #areRowsDue = true;
  #awake: (() => void) | null = null;

  constructor(jobId: string | null, signal: AbortSignal) {
    this.#jobId = jobId;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#awake?.());
  }

  wake(areRowsDue: boolean): void {
    this.#areRowsDue ||= areRowsDue;
    this.#awake?.();
  }

  addProgress(event: ProgressEvent): void {
    if (this.#jobId !== null && this.#jobId !== event.jobId) return;
    this.#progress.set(event.jobId, event);
    this.wake(false);
  }

  takeProgress(): ProgressEvent[] {
    const taken = [...this.#progress.values()];
    this.#progress.clear();
    return taken;
  }

  takeRowsDue(): boolean {
    const wereDue = this.#areRowsDue;
    this.#areRowsDue = false;
    return wereDue;
  }

  /** Returns when there is something to read, at the latest after `milliseconds`. */
  async sleep(milliseconds: number): Promise<void> {
    if (milliseconds <= 0 || this.#areRowsDue || this.#progress.size > 0 || this.#signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#awake?.(), milliseconds);
      this.#awake = () => {
        clearTimeout(timer);
        this.#awake = null;
        resolve();
      };
    });
  }
}
