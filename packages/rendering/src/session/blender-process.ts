import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { BlenderBuild, RenderDevice } from '@pictor/protocol';
import type { z } from 'zod';
import { blenderMounts } from '../builds/blender-mounts.ts';
import { deviceNodes } from '../builds/device-nodes.ts';
import { BlenderLog } from '../driver/blender-log.ts';
import { driverArguments, driverFolders, driverMounts } from '../driver/driver-arguments.ts';
import { ChannelClosed, DriverConnection, DriverMisbehaved } from '../driver/driver-connection.ts';
import { RenderFailure } from '../render-failure.ts';
import { type SandboxedProcess, type SandboxProbe, startSandboxed } from '../sandbox/index.ts';
import { exitFailure } from '../watchdog/index.ts';

const READY_WITHIN_MS = 60_000;
/** A closed channel is followed by the end of the process; one that goes on is hostile and is killed. */
const EXIT_WITHIN_MS = 5_000;
/** What Blender wrote may arrive after its end. */
const LAST_WORDS_WITHIN_MS = 500;
const OUTPUT_BYTES = 8 * 1024 ** 3;
const OUTPUT_FILES = 4096;
const PROCESSES = 128 + 12 * availableParallelism();

export interface BlenderProcessOptions {
  build: BlenderBuild;
  device: RenderDevice;
  sandbox: SandboxProbe;
  /** A folder of its own; made here and removed at the end. */
  workDir: string;
  slot: number;
  memoryLimitBytes: number | null;
  display: boolean;
}

/** A Blender in its sandbox that waits for the driver's commands. It serves one owner at most. */
export class BlenderProcess {
  readonly log = new BlenderLog();
  readonly sandboxed: SandboxedProcess;
  readonly hasDisplay: boolean;
  readonly workDir: string;
  readonly #connection: DriverConnection;
  #memoryLimitBytes: number | null;
  #killedBy: RenderFailure | null = null;
  #hasEnded = false;
  #disposal: Promise<void> | undefined;
  #tellDisposed: () => void = () => {};
  /** Resolves when Blender and its folder are gone. */
  readonly disposed = new Promise<void>((resolve) => {
    this.#tellDisposed = resolve;
  });

  private constructor(sandboxed: SandboxedProcess, options: BlenderProcessOptions) {
    this.sandboxed = sandboxed;
    this.hasDisplay = options.display;
    this.workDir = options.workDir;
    this.#memoryLimitBytes = options.memoryLimitBytes;
    this.log.follow(sandboxed.stdout);
    this.log.follow(sandboxed.stderr);
    this.#connection = new DriverConnection(sandboxed.channel);
    void sandboxed.exited.then(() => {
      this.#hasEnded = true;
      this.#connection.close(new ChannelClosed('Blender ended'));
    });
  }

  /**
   * Starts Blender and returns when it waits for commands.
   *
   * @throws RenderFailure `device-unavailable` if its sandbox cannot be started, `blender-crashed` if Blender does not come up;
   *   nothing is left running then.
   */
  static async start(options: BlenderProcessOptions): Promise<BlenderProcess> {
    await mkdir(options.workDir, { recursive: true });
    const sandboxed = await startSandboxed(await sandboxOptions(options)).catch(async (error: unknown) => {
      await rm(options.workDir, { recursive: true, force: true });
      const reason = error instanceof Error ? error.message : String(error);
      throw new RenderFailure('device-unavailable', `Blender could not be started: ${reason}`, { cause: error });
    });
    const process = new BlenderProcess(sandboxed, options);
    const tooLate = setTimeout(() => {
      process.kill(new RenderFailure('blender-crashed', `Blender was not ready within ${READY_WITHIN_MS / 1000} s.`));
    }, READY_WITHIN_MS);
    try {
      await process.#connection.ready;
      return process;
    } catch {
      throw await process.#failureOfEnd('starting').finally(() => process.dispose());
    } finally {
      clearTimeout(tooLate);
    }
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Sends a command to the driver.
   *
   * @param doing What failures say was being done, e.g. `rendering frame 7`.
   * @throws RenderFailure as the driver says, as `kill` was told, or by how Blender ended.
   */
  async request<Result>(command: Record<string, unknown>, shape: z.ZodType<Result>, doing: string): Promise<Result> {
    try {
      return await this.#connection.request(command, shape);
    } catch (error) {
      if (error instanceof RenderFailure) throw new RenderFailure(error.kind, error.message, { log: this.log.text });
      if (error instanceof DriverMisbehaved) {
        const message = `Something in the scene spoke in the name of Pictor's driver while ${doing}: ${error.message}.`;
        this.kill(new RenderFailure('blender-error', message));
      }
      const hasEnded = error instanceof ChannelClosed || error instanceof DriverMisbehaved;
      throw hasEnded ? await this.#failureOfEnd(doing) : error;
    }
  }

  /** @throws RenderFailure `out-of-memory` where Blender has more already. */
  async setMemoryLimit(bytes: number | null): Promise<void> {
    if (bytes === this.#memoryLimitBytes) return;
    await this.sandboxed.setMemoryLimit(bytes).catch((error: unknown) => {
      const message = `The memory of Blender cannot be limited to ${bytes} bytes: ${String(error)}`;
      throw new RenderFailure('out-of-memory', message, { cause: error });
    });
    this.#memoryLimitBytes = bytes;
  }

  /** Ends Blender at once; a command in work fails with `failure`. */
  kill(failure: RenderFailure): void {
    this.#killedBy ??= failure;
    void this.sandboxed.kill();
  }

  /** Ends Blender if it still runs and removes its folder. */
  dispose(): Promise<void> {
    this.#disposal ??= this.sandboxed
      .kill()
      .then(() => rm(this.workDir, { recursive: true, force: true }))
      .finally(() => this.#tellDisposed());
    return this.#disposal;
  }

  async #failureOfEnd(doing: string): Promise<RenderFailure> {
    const tooLate = new RenderFailure(
      'blender-error',
      `Blender closed its channel to the agent while ${doing}, and went on.`,
    );
    const timer = setTimeout(() => this.kill(tooLate), EXIT_WITHIN_MS);
    const exit = await this.sandboxed.exited.finally(() => clearTimeout(timer));
    await this.log.wholeWithin(LAST_WORDS_WITHIN_MS);
    const log = this.log.text;
    if (this.#killedBy) return new RenderFailure(this.#killedBy.kind, this.#killedBy.message, { log });
    return exitFailure(exit, log, doing);
  }
}

async function sandboxOptions(options: BlenderProcessOptions): Promise<Parameters<typeof startSandboxed>[0]> {
  const { build, device, sandbox, workDir, slot, memoryLimitBytes, display } = options;
  // Without walls the folders are the real ones; `startSandboxed` makes them at these places.
  const inside =
    sandbox.level === 'none'
      ? { jobDir: join(workDir, 'job'), outDir: join(workDir, 'out') }
      : { jobDir: '/job', outDir: '/out' };
  return {
    level: sandbox.level,
    slot,
    workDir,
    mounts: [...driverMounts(), ...blenderMounts(build.path)],
    limits: {
      memoryBytes: memoryLimitBytes,
      processes: PROCESSES,
      outputBytes: OUTPUT_BYTES,
      outputFiles: OUTPUT_FILES,
    },
    devices: await deviceNodes(device),
    display,
    command: build.path,
    args: driverArguments(driverFolders(sandbox.level), inside),
    env: {},
  };
}
