import { setTimeout as wait } from 'node:timers/promises';

const DEADLINE_MS = 60_000;

/** Waits until `condition` gives something other than false, null or undefined, and returns that. Throws after a minute. */
export async function waitUntil<T>(
  what: string,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await condition();
    if (found !== false && found !== null && found !== undefined) {
      return found as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > deadline) {
      throw new Error(`It did not happen within ${DEADLINE_MS / 1000} s: ${what}`);
    }
    await wait(10);
  }
}
