import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** Where this agent may make cgroups that bound memory and processes. */
export interface CgroupHome {
  version: 1 | 2;
  /** v1: one folder in each of the two hierarchies; v2: both are the same folder. */
  memoryFolder: string;
  pidsFolder: string;
}

const NAME = /^pictor-(\d+)-(\d+)-[0-9a-f-]+$/;
const LEAF_OF_AGENT = 'pictor-agent';

/**
 * Finds a place for cgroups by making one there and moving a process in, and removes the groups that agents which are gone
 * have left. Null where no such place is: an ordinary user without a delegated cgroup.
 */
export async function findCgroupHome(): Promise<CgroupHome | null> {
  const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));
  const own = parseOwn(await readFile('/proc/self/cgroup', 'utf8').catch(() => ''));
  for (const home of [...versionOne(mounts, own), ...(await versionTwo(mounts, own))]) {
    if (await isUsable(home)) {
      await removeLeftovers(mounts);
      return home;
    }
  }
  return null;
}

/** A name for a group, that tells later agents whether its owner still lives. */
export async function newGroupName(): Promise<string> {
  return `pictor-${process.pid}-${await startTime(process.pid)}-${randomUUID()}`;
}

interface CgroupMount {
  version: 1 | 2;
  root: string;
  folder: string;
  controllers: string[];
}

function parseMounts(mountinfo: string): CgroupMount[] {
  return mountinfo.split('\n').flatMap((line): CgroupMount[] => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', folder = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') return [{ version: 2, root, folder, controllers: [] }];
    if (type === 'cgroup') return [{ version: 1, root, folder, controllers: options.split(',') }];
    return [];
  });
}

/** Controller → this process's group; '' is version 2. */
function parseOwn(cgroup: string): Map<string, string> {
  const own = new Map<string, string>();
  for (const line of cgroup.trim().split('\n')) {
    const [, controllers = '', ...path] = line.split(':');
    for (const controller of controllers.split(',')) own.set(controller, path.join(':'));
  }
  return own;
}

/** This process's own group first, so that what bounds the agent bounds its sandboxes; then the root of what is mounted. */
function candidates(mount: CgroupMount, own: string | undefined): string[] {
  const below = own === undefined ? '..' : relative(mount.root, own);
  const folders = below.startsWith('..') ? [] : [join(mount.folder, below)];
  return [...new Set([...folders.filter((folder) => existsSync(folder)), mount.folder])];
}

function versionOne(mounts: CgroupMount[], own: Map<string, string>): CgroupHome[] {
  const [memory, pids] = ['memory', 'pids'].map((controller) => {
    const mount = mounts.find(({ version, controllers }) => version === 1 && controllers.includes(controller));
    return mount ? candidates(mount, own.get(controller)) : [];
  }) as [string[], string[]];
  return memory.flatMap((memoryFolder) =>
    pids.map((pidsFolder) => ({ version: 1 as const, memoryFolder, pidsFolder })),
  );
}

async function versionTwo(mounts: CgroupMount[], own: Map<string, string>): Promise<CgroupHome[]> {
  const homes: CgroupHome[] = [];
  for (const mount of mounts.filter(({ version }) => version === 2)) {
    for (const folder of candidates(mount, own.get('')).flatMap((each) => withParents(each, mount.folder))) {
      if (await delegatesControllers(folder)) homes.push({ version: 2, memoryFolder: folder, pidsFolder: folder });
    }
  }
  return homes;
}

/** A user's session manager lets its user make groups beside the one of a terminal, not in it. */
function withParents(folder: string, last: string): string[] {
  return folder === last ? [folder] : [folder, ...withParents(dirname(folder), last)];
}

/** Version 2 gives controllers only to children of a group that has no processes itself: the agent moves into a leaf. */
async function delegatesControllers(folder: string): Promise<boolean> {
  const subtree = join(folder, 'cgroup.subtree_control');
  const hasBoth = async () => {
    const enabled = (await readFile(subtree, 'utf8').catch(() => '')).trim().split(' ');
    return enabled.includes('memory') && enabled.includes('pids');
  };
  if (await hasBoth()) return true;
  await writeFile(subtree, '+memory +pids').catch(() => undefined);
  if (await hasBoth()) return true;
  const members = (await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')).trim().split('\n');
  if (members.length !== 1 || members[0] !== String(process.pid)) return false;
  const leaf = join(folder, LEAF_OF_AGENT);
  await mkdir(leaf).catch(() => undefined);
  await writeFile(join(leaf, 'cgroup.procs'), String(process.pid)).catch(() => undefined);
  await writeFile(subtree, '+memory +pids').catch(() => undefined);
  return hasBoth();
}

async function isUsable(home: CgroupHome): Promise<boolean> {
  const name = await newGroupName();
  const folders = [join(home.memoryFolder, name), join(home.pidsFolder, name)] as const;
  try {
    for (const folder of folders) await mkdir(folder, { recursive: true });
    await writeFile(join(folders[0], home.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(2 ** 30));
    await writeFile(join(folders[1], 'pids.max'), '1000');
    const enter = ['-c', 'for file; do echo $$ > "$file" || exit 1; done', 'sh'];
    await promisify(execFile)('/bin/sh', [...enter, ...folders.map((folder) => join(folder, 'cgroup.procs'))]);
    return true;
  } catch {
    return false;
  } finally {
    for (const folder of new Set(folders)) await rmdir(folder).catch(() => undefined);
  }
}

/** The group of an agent that was killed lies where that agent ran, so the whole tree is searched; it costs milliseconds. */
async function removeLeftovers(mounts: CgroupMount[]): Promise<void> {
  const search = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isDirectory())) {
      const path = join(folder, entry.name);
      const [, pid, started] = NAME.exec(entry.name) ?? [];
      if (pid === undefined) {
        if (depth < 8) await search(path, depth + 1);
      } else if ((await startTime(Number(pid))) !== started) {
        await rmdir(path).catch(() => undefined); // One that still has processes refuses.
      }
    }
  };
  for (const { folder, version, controllers } of mounts) {
    if (version === 2 || controllers.includes('memory') || controllers.includes('pids')) await search(folder, 0);
  }
}

/** A process id can be given again, the pair of id and start (clock ticks since boot) cannot. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
