import { join } from 'node:path';
import { BlenderProcess, type BlenderProcessOptions } from './blender-process.ts';
import { SandboxSlots } from './sandbox-slots.ts';
import { Standby } from './standby.ts';

export type SupplyOptions = Omit<BlenderProcessOptions, 'display'>;

/** Blenders for one device: hands out the standby or starts one, and sees to it that all of them are ended. */
export class BlenderSupply {
  readonly #options: SupplyOptions;
  readonly #slots: SandboxSlots;
  readonly #standby: Standby;
  /** Every Blender until its folder is gone, those that are starting included. */
  readonly #all = new Set<Promise<BlenderProcess>>();
  #started = 0;
  #isClosed = false;

  constructor(options: SupplyOptions) {
    this.#options = options;
    this.#slots = new SandboxSlots(options.slot);
    this.#standby = new Standby(() => this.#start(false));
  }

  /** A Blender that has served nobody. A standby never has a display: where one is needed a new Blender is started. */
  take(needs: { display: boolean }): Promise<BlenderProcess> {
    return needs.display ? this.#start(true) : this.#standby.take();
  }

  /** Ends a Blender without waiting for it; `close` does. */
  dispose(process: BlenderProcess): void {
    // A folder that cannot be removed now is removed with the device's.
    process.dispose().catch(() => {});
  }

  /** While the device is at work no standby is started, unless it takes long. */
  async atWork<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#standby.beginWork();
    try {
      return await work();
    } finally {
      this.#standby.endWork();
    }
  }

  /** Ends them all, whatever they do, and waits until they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#standby.close();
    await Promise.all([...this.#all].map((starting) => starting.then((process) => process.dispose()).catch(() => {})));
  }

  #start(display: boolean): Promise<BlenderProcess> {
    if (this.#isClosed) return Promise.reject(new Error('The device was closed'));
    const slot = this.#slots.take();
    this.#started += 1;
    const workDir = join(this.#options.workDir, `blender-${this.#started}`);
    const starting = BlenderProcess.start({ ...this.#options, slot, workDir, display });
    this.#all.add(starting);
    starting
      .then((process) => process.disposed)
      .catch(() => {})
      .finally(() => {
        this.#slots.giveBack(slot);
        this.#all.delete(starting);
      });
    return starting;
  }
}
