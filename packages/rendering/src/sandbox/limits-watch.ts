import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from './cgroup.ts';
import type { OutputFolder } from './output-folder.ts';
import { type TreeUsage, usageOfDescendants, usageOfProcfs } from './process-tree.ts';
import type { SandboxExit, SandboxLimits } from './sandboxed-process.ts';

type Limit = SandboxExit['limit'];

/** With a cgroup the kernel holds the limits and this only learns of it; without one, this is what holds the memory limit. */
const PERIOD_WITH_CGROUP_MS = 400;
const PERIOD_WITHOUT_MS = 150;
/** Below this share of the machine's memory a sandbox without a cgroup is ended, however it holds what it holds. */
const LEAST_FREE_SHARE = 0.04;

/** What is looked at, and by what means. */
export interface Watched {
  /** The process that was started: everything in the sandbox descends from it. */
  pid: number;
  /** The sandbox's own procfs, as this process sees it; null without walls. */
  procfs: string | null;
  cgroup: Cgroup | null;
  /** File systems in memory that the sandbox can write to; they count as its memory where no cgroup counts them. */
  scratch: OutputFolder[];
  /** Null without walls: a plain folder has no bound of its own. */
  output: OutputFolder | null;
  limits: SandboxLimits;
}

/** Looks at the limits of one sandbox until it is stopped. */
export class LimitsWatch {
  readonly #watched: Watched;
  readonly #onExceeded: () => void;
  readonly #stopped = new AbortController();
  #memoryLimit: number | null;
  #exceeded: Limit = null;
  readonly #running: Promise<void>;

  constructor(watched: Watched, onExceeded: () => void) {
    this.#watched = watched;
    this.#memoryLimit = watched.limits.memoryBytes;
    this.#onExceeded = onExceeded;
    // A sandbox whose limits cannot be looked at is ended; where it has ended by itself, that is why.
    this.#running = this.#run().catch(() => this.#onExceeded());
  }

  async memoryBytes(): Promise<number> {
    const { cgroup } = this.#watched;
    return cgroup ? cgroup.memoryBytes() : (await this.#treeUsage()).memoryBytes;
  }

  async setMemoryLimit(bytes: number | null): Promise<void> {
    this.#memoryLimit = bytes;
    await this.#watched.cgroup?.setMemoryLimit(bytes);
  }

  /** Ends the watch and says which limit was reached, now or before; to be called while the cgroup is still there. */
  async stop(): Promise<Limit> {
    this.#stopped.abort();
    // The look under way needs the folders that are closed next.
    await this.#running;
    this.#exceeded ??= await this.#reachedForGood();
    return this.#exceeded;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const period = this.#watched.cgroup ? PERIOD_WITH_CGROUP_MS : PERIOD_WITHOUT_MS;
    while (!signal.aborted && this.#exceeded === null) {
      await sleep(period, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const reached = (await this.#reachedForGood()) ?? (await this.#reachedNow());
      if (signal.aborted || reached === null) continue;
      this.#exceeded = reached;
      this.#onExceeded();
    }
  }

  /** What can still be seen after the end. */
  async #reachedForGood(): Promise<Limit> {
    const { cgroup, output } = this.#watched;
    const reached = await cgroup?.exceeded();
    if (reached) return reached;
    return (await output?.usage())?.isFull ? 'output' : null;
  }

  async #reachedNow(): Promise<Limit> {
    const { cgroup, limits, procfs } = this.#watched;
    if (cgroup) return null;
    const { memoryBytes, threads } = await this.#treeUsage();
    if (this.#memoryLimit !== null && memoryBytes > this.#memoryLimit) return 'memory';
    if (procfs && (await isMachineOutOfMemory())) return 'memory';
    // At the limit itself the kernel refuses and nobody would ever be seen above it.
    return threads >= limits.processes - 1 ? 'processes' : null;
  }

  async #treeUsage(): Promise<TreeUsage> {
    const { procfs, pid, scratch } = this.#watched;
    const usage = procfs ? await usageOfProcfs(procfs) : await usageOfDescendants(pid);
    const files = await Promise.all(scratch.map((folder) => folder.usage()));
    return { ...usage, memoryBytes: files.reduce((total, { bytes }) => total + bytes, usage.memoryBytes) };
  }
}

async function isMachineOutOfMemory(): Promise<boolean> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  return kibibytes('MemAvailable') < kibibytes('MemTotal') * LEAST_FREE_SHARE;
}
