import { createHash } from 'node:crypto';

/** Slots below 1000 are users of their own, 16 for each device (see `WarmBlenderOptions`). */
const AGENTS = 7;
const DEVICES = 8;
const FIRST_DECODER_SLOT = 900;

/**
 * Which slots of the sandbox an agent uses, the same at every start: agents that share a machine shall not share the users that
 * their sandboxes run as. Two may meet in one by chance; then only the walls are between them.
 */
export function sandboxSlots(dataDir: string): { firstDevice: number; decoder: number } {
  const agent = createHash('sha256').update(dataDir).digest().readUInt32BE(0) % AGENTS;
  return { firstDevice: agent * DEVICES, decoder: FIRST_DECODER_SLOT + agent };
}
