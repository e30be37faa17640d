/** Sandboxes of one device that can live at one time: the session, the standby, inspections, and those being killed. */
const SLOTS_PER_DEVICE = 16;

/** Slots of the sandbox (each a uid of its own where the agent is root) for the processes of one device. */
export class SandboxSlots {
  readonly #first: number;
  readonly #taken = new Set<number>();

  constructor(deviceSlot: number) {
    this.#first = deviceSlot * SLOTS_PER_DEVICE;
  }

  take(): number {
    for (let slot = this.#first; slot < this.#first + SLOTS_PER_DEVICE; slot++) {
      if (this.#taken.has(slot)) continue;
      this.#taken.add(slot);
      return slot;
    }
    throw new Error(`More than ${SLOTS_PER_DEVICE} sandboxes of one device at one time`);
  }

  giveBack(slot: number): void {
    this.#taken.delete(slot);
  }
}
