import { readFile } from 'node:fs/promises';

/** Far above what distributions, systemd and subordinate ranges hand out, so that no one else's files have such an owner. */
const FIRST_SLOT_UID = 1_937_000_000;
const SLOTS = 1_000;

/**
 * The uid and gid that a slot renders as when the agent is root: not root's, and not another slot's.
 * In a user namespace (a container) it is one of the highest ids that exist there.
 */
export async function slotIdentity(slot: number): Promise<number> {
  const offset = slot % SLOTS;
  const ranges = (await readFile('/proc/self/uid_map', 'utf8'))
    .trim()
    .split('\n')
    .map((line) => {
      const [inside = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
      return { first: inside, last: inside + length - 1 };
    });
  const wanted = FIRST_SLOT_UID + offset;
  if (ranges.some(({ first, last }) => first <= wanted && wanted <= last)) return wanted;
  const highest = Math.max(...ranges.map(({ last }) => last));
  return Math.max(1, highest - 1 - offset);
}
