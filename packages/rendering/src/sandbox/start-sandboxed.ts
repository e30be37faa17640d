import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough, type Readable } from 'node:stream';
import { PictorError } from '@pictor/protocol';
import { Cgroup } from './cgroup.ts';
import { type CgroupHome, findCgroupHome } from './cgroup-home.ts';
import { LimitsWatch } from './limits-watch.ts';
import { OutputFolder } from './output-folder.ts';
import { readyOrDead } from './ready-or-dead.ts';
import { sandboxUnavailable } from './sandbox-unavailable.ts';
import type { SandboxExit, SandboxedProcess, SandboxOptions } from './sandboxed-process.ts';
import { spawnCommand, withOverhead } from './spawn-command.ts';

let cgroupHome: Promise<CgroupHome | null> | undefined;

/** Where this process makes its cgroups; looked for once. */
export function cgroupHomeOfAgent(): Promise<CgroupHome | null> {
  cgroupHome ??= findCgroupHome();
  return cgroupHome;
}

/**
 * Starts a command in a sandbox and returns when the command is about to run, its display being up. It may wait there for its
 * job: what is put into `jobDir` later is seen inside.
 *
 * @param home Where cgroups are made, null for none; found by itself if not given.
 * @throws PictorError `sandbox-unavailable` with what the tools said, if it cannot be started; nothing is left running then.
 */
export async function startSandboxed(options: SandboxOptions, home?: CgroupHome | null): Promise<SandboxedProcess> {
  const cgroups = home === undefined ? await cgroupHomeOfAgent() : home;
  const hasWalls = options.level === 'bubblewrap';
  const jobDir = join(options.workDir, 'job');
  const outDir = join(options.workDir, 'out');
  await mkdir(jobDir, { recursive: true });
  await chmod(jobDir, 0o755); // Whatever the agent's umask: a slot's uid must get in.
  if (!hasWalls) await mkdir(outDir, { recursive: true });

  const cgroup = cgroups && (await Cgroup.create(cgroups, withOverhead(options)));
  const started = await spawnCommand(options, jobDir, cgroup).catch(async (error) => {
    await cgroup?.remove();
    throw error instanceof PictorError ? error : sandboxUnavailable(error.message, error);
  });
  const { child } = started;
  const stdio = child.stdio as unknown as [null, Readable, Readable, Duplex, Readable | null, Duplex];
  const [, , , channel, status, ready] = stdio;
  for (const stream of stdio) stream?.on('error', () => undefined); // Its end is told by `exited`, never by a stream.
  // At the exit of a child Node throws away what nobody has read yet; what was said last is what matters most.
  const [stdout, stderr] = [stdio[1].pipe(new PassThrough()), stdio[2].pipe(new PassThrough())];
  const exit = exitOf(child);
  let initPid: number | null = null;
  const killAll = () => killEverything(child, started.isGroup, initPid);

  try {
    initPid = await readyOrDead(status, ready, stderr, exit);
  } catch (error) {
    killAll();
    await exit;
    await cgroup?.remove();
    throw error;
  }

  const inner = hasWalls ? `/proc/${initPid}/root` : '';
  const maxima = { maxBytes: options.limits.outputBytes, maxFiles: options.limits.outputFiles };
  const opened: OutputFolder[] = [];
  const open = async (path: string) => {
    const folder = await OutputFolder.open(path, maxima);
    opened.push(folder);
    return folder;
  };
  let output: OutputFolder;
  let watch: LimitsWatch;
  try {
    output = await open(hasWalls ? `${inner}/out` : outDir);
    const scratch = hasWalls && !cgroup ? [output, await open(`${inner}/tmp`), await open(`${inner}/dev/shm`)] : [];
    const procfs = hasWalls && !cgroup ? (await open(`${inner}/proc`)).path : null;
    const limits = { ...options.limits, processes: withOverhead(options).processes };
    const watched = { pid: child.pid as number, procfs, cgroup, scratch, limits };
    watch = new LimitsWatch({ ...watched, output: hasWalls ? output : null }, killAll);
  } catch (error) {
    killAll();
    await exit;
    await Promise.all(opened.map((folder) => folder.close()));
    await cgroup?.remove();
    throw sandboxUnavailable(`the inside of the sandbox cannot be reached (${(error as Error).message})`, error);
  }
  ready.end('go\n');

  let hasEnded = false;
  const exited = exit.then(async (ended): Promise<SandboxExit> => {
    const limit = await watch.stop();
    if (started.isGroup) killAll();
    await cgroup?.remove();
    hasEnded = true;
    return { ...ended, limit };
  });

  let killed: Promise<void> | undefined;
  return {
    pid: child.pid as number,
    channel,
    stdout,
    stderr,
    jobDir,
    outDir: output.path,
    inside: hasWalls ? { jobDir: '/job', outDir: '/out' } : { jobDir, outDir },
    exited,
    kill() {
      killed ??= (async () => {
        killAll();
        await exited;
        await Promise.all(opened.map((folder) => folder.close()));
      })();
      return killed;
    },
    memoryBytes: async () => (hasEnded ? 0 : watch.memoryBytes()),
    setMemoryLimit: async (bytes) => (hasEnded ? undefined : watch.setMemoryLimit(bytes)),
    takeOutput: (name, destination) => output.take(name, destination),
    listOutputs: () => output.list(),
  };
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    // bwrap passes a signal on as a shell does: 128 and its number.
    child.once('exit', (code, signal) => {
      const passedOn = Object.entries(constants.signals).find(([, number]) => number + 128 === code)?.[0];
      resolve(passedOn ? { code: null, signal: passedOn } : { code, signal });
    });
  });
}

/**
 * Without walls: the process group. With them: the sandbox's init, with which all inside dies; bwrap then ends by itself and
 * leaves no orphan to an init that may not bury any, as in many containers.
 */
function killEverything(child: ChildProcess, isGroup: boolean, initPid: number | null): void {
  if (child.pid === undefined) return;
  const hasEnded = child.exitCode !== null || child.signalCode !== null;
  if (hasEnded && !isGroup) return;
  try {
    process.kill(isGroup ? -child.pid : (initPid ?? child.pid), 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
