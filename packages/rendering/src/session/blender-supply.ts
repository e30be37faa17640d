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
  readonly #disposals = new Set<Promise<void>>();
  #started = 0;

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
    const disposal = process.dispose().finally(() => this.#disposals.delete(disposal));
    this.#disposals.add(disposal);
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

  async close(): Promise<void> {
    await this.#standby.close();
    await Promise.all(this.#disposals);
  }

  async #start(display: boolean): Promise<BlenderProcess> {
    const slot = this.#slots.take();
    this.#started += 1;
    const workDir = join(this.#options.workDir, `blender-${this.#started}`);
    const giveBack = () => this.#slots.giveBack(slot);
    try {
      const process = await BlenderProcess.start({ ...this.#options, slot, workDir, display });
      process.sandboxed.exited.then(giveBack, giveBack);
      return process;
    } catch (error) {
      giveBack();
      throw error;
    }
  }
}
