import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CgroupHome, newGroupName } from './cgroup-home.ts';

const GONE_WITHIN_MS = 5_000;

/** The cgroup (two of them with version 1) of one sandbox. */
export class Cgroup {
  readonly #version: 1 | 2;
  readonly #memory: string;
  readonly #pids: string;

  private constructor(version: 1 | 2, memory: string, pids: string) {
    this.#version = version;
    this.#memory = memory;
    this.#pids = pids;
  }

  static async create(home: CgroupHome, limits: { memoryBytes: number | null; processes: number }): Promise<Cgroup> {
    const name = await newGroupName();
    const group = new Cgroup(home.version, join(home.memoryFolder, name), join(home.pidsFolder, name));
    try {
      for (const folder of group.#folders) await mkdir(folder);
      await writeFile(join(group.#pids, 'pids.max'), String(limits.processes));
      if (home.version === 2) await writeFile(join(group.#memory, 'memory.oom.group'), '1').catch(() => undefined);
      await group.setMemoryLimit(limits.memoryBytes);
    } catch (error) {
      await group.remove();
      throw error;
    }
    return group;
  }

  /** A process enters by writing its id to each of these. */
  get joinFiles(): string[] {
    return this.#folders.map((folder) => join(folder, 'cgroup.procs'));
  }

  /** In bytes; null takes the limit away. Page cache counts but is given back before anything is killed. */
  async setMemoryLimit(bytes: number | null): Promise<void> {
    if (this.#version === 2) {
      await writeFile(join(this.#memory, 'memory.max'), bytes === null ? 'max' : String(bytes));
      await writeFile(join(this.#memory, 'memory.swap.max'), '0').catch(() => undefined);
      return;
    }
    const limit = join(this.#memory, 'memory.limit_in_bytes');
    // The limit of memory and swap together may never be below that of memory alone, on the way up or down; some kernels lack it.
    const withSwap = join(this.#memory, 'memory.memsw.limit_in_bytes');
    const value = bytes === null ? '-1' : String(bytes);
    await writeFile(withSwap, value).catch(() => undefined);
    await writeFile(limit, value);
    await writeFile(withSwap, value).catch(() => undefined);
  }

  /** Memory that cannot be given back: the processes' own and what lies in their memory file systems. */
  async memoryBytes(): Promise<number> {
    const stat = await this.#readCounters(this.#memory, 'memory.stat');
    if (this.#version === 2) return (stat.get('anon') ?? 0) + (stat.get('shmem') ?? 0);
    return (stat.get('total_rss') ?? 0) + (stat.get('total_shmem') ?? 0);
  }

  /** Whether the kernel has killed for memory, or refused a process or thread. */
  async exceeded(): Promise<'memory' | 'processes' | null> {
    const memoryFile = this.#version === 2 ? 'memory.events' : 'memory.oom_control';
    if (((await this.#readCounters(this.#memory, memoryFile)).get('oom_kill') ?? 0) > 0) return 'memory';
    if (((await this.#readCounters(this.#pids, 'pids.events')).get('max') ?? 0) > 0) return 'processes';
    return null;
  }

  /** Kills whatever is left in it and removes it. */
  async remove(): Promise<void> {
    const deadline = Date.now() + GONE_WITHIN_MS;
    for (const folder of this.#folders) {
      while (!(await isRemoved(folder)) && Date.now() < deadline) {
        const members = (await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n');
        for (const member of members.filter(Boolean)) killQuietly(Number(member));
        await sleep(5);
      }
    }
  }

  get #folders(): string[] {
    return [...new Set([this.#memory, this.#pids])];
  }

  async #readCounters(folder: string, file: string): Promise<Map<string, number>> {
    const text = await readFile(join(folder, file), 'utf8').catch(() => '');
    return new Map(
      text.split('\n').map((line) => {
        const [name = '', value] = line.split(' ');
        return [name, Number(value)];
      }),
    );
  }
}

async function isRemoved(folder: string): Promise<boolean> {
  return rmdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
