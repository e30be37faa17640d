import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import type { Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { availableParallelism, constants } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { PictorError } from '@pictor/protocol';
import { bubblewrapArguments, sandboxEnvironment } from './bubblewrap-arguments.ts';
import { Cgroup } from './cgroup.ts';
import { type CgroupHome, findCgroupHome } from './cgroup-home.ts';
import { inheritedDescriptors, withNull } from './inherited-descriptors.ts';
import {
  innerScript,
  outerScript,
  READY_FD,
  STAGED_OUTPUT,
  STATUS_FD,
  type Stage,
  stagedMounts,
  stagedPath,
  TOOLS_PATH,
} from './launch-scripts.ts';
import { LimitsWatch } from './limits-watch.ts';
import { OutputFolder } from './output-folder.ts';
import type { SandboxExit, SandboxedProcess, SandboxOptions } from './sandboxed-process.ts';
import { slotIdentity } from './slot-identity.ts';

const READY_WITHIN_MS = 30_000;
const COMPLAINT_BYTES = 4_000;

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
  if (!hasWalls) await mkdir(outDir, { recursive: true });

  const cgroup = cgroups && (await Cgroup.create(cgroups, withOverhead(options)));
  const started = await spawnCommand(options, jobDir, cgroup, cgroups === null).catch(async (error) => {
    await cgroup?.remove();
    throw error;
  });
  const { child } = started;
  const stdio = child.stdio as unknown as [null, Readable, Readable, Duplex, Readable | null, Duplex];
  const [, , , channel, status, ready] = stdio;
  for (const stream of stdio) stream?.on('error', () => undefined); // Its end is told by `exited`, never by a stream.
  // At the exit of a child Node throws away what nobody has read yet; what was said last is what matters most.
  const [stdout, stderr] = [stdio[1].pipe(new PassThrough()), stdio[2].pipe(new PassThrough())];
  const exit = exitOf(child);
  const killAll = () => killEverything(child, started.isGroup);

  let initPid: number | null;
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
    throw unavailable(`the inside of the sandbox cannot be reached (${(error as Error).message})`, error);
  }
  ready.end('go\n');

  let hasEnded = false;
  const exited = exit.then(async (ended): Promise<SandboxExit> => {
    const limit = await watch.stop();
    if (started.isGroup) killAll();
    await cgroup?.remove();
    hasEnded = true;
    return { ...ended, limit: limit ?? (ended.signal === 'SIGXFSZ' ? 'output' : null) };
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

interface Started {
  child: ChildProcess;
  /** Without walls, what it starts is found by its process group. */
  isGroup: boolean;
}

async function spawnCommand(
  options: SandboxOptions,
  jobDir: string,
  cgroup: Cgroup | null,
  limitsProcesses: boolean,
): Promise<Started> {
  const hasWalls = options.level === 'bubblewrap';
  const inner = innerScript({
    display: options.display,
    fileBytes: hasWalls ? options.limits.outputBytes : null,
    // Outside a user namespace this limit counts all that the user runs.
    processes: hasWalls && limitsProcesses ? withOverhead(options).processes : null,
    diesWithCommand: !hasWalls,
  });
  const command = ['/bin/sh', '-c', inner, 'sh', options.command, ...options.args];
  const stage = hasWalls && process.getuid?.() === 0 ? await prepareStage(options, jobDir) : null;
  const argv = hasWalls ? [...(await bubblewrapCommand(options, jobDir, stage)), ...command] : command;
  const script = outerScript(cgroup?.joinFiles ?? [], stage, process.pid);
  const child = withNull((nothing) => {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'pipe', hasWalls ? 'pipe' : 'ignore', 'pipe'];
    for (const descriptor of inheritedDescriptors(READY_FD)) stdio[descriptor] = nothing;
    return spawn('/bin/sh', ['-c', script, 'sh', ...argv], {
      cwd: hasWalls ? '/' : jobDir,
      env: hasWalls
        ? { PATH: TOOLS_PATH }
        : { ...sandboxEnvironment(options.workDir), PATH: TOOLS_PATH, ...options.env },
      stdio: Array.from(stdio, (each) => each ?? 'ignore'),
      detached: !hasWalls,
    });
  });
  return { child, isGroup: !hasWalls };
}

async function bubblewrapCommand(options: SandboxOptions, jobDir: string, stage: Stage | null): Promise<string[]> {
  const sources = stage
    ? { job: stagedPath(0), mounts: stagedMounts(options.mounts, 1), output: STAGED_OUTPUT }
    : { job: jobDir, mounts: options.mounts, output: null };
  return [options.bwrapPath ?? 'bwrap', ...(await bubblewrapArguments(options, sources, STATUS_FD))];
}

async function prepareStage(options: SandboxOptions, jobDir: string): Promise<Stage> {
  const folder = join(options.workDir, 'stage');
  await mkdir(folder, { recursive: true });
  const paths = [jobDir, ...options.mounts.map(({ source }) => source)];
  const sources = await Promise.all(
    paths.map(async (path) => ({ path, isFolder: (await statLetIn(path)).isDirectory() })),
  );
  const owners = await Promise.all((options.devices ?? []).map(async (device) => (await statLetIn(device)).gid));
  const groups = [...new Set(owners)].filter((gid) => gid !== 0);
  const output = { bytes: options.limits.outputBytes, files: options.limits.outputFiles };
  return { folder, sources, output, id: await slotIdentity(options.slot), groups };
}

async function statLetIn(path: string): Promise<Stats> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    throw unavailable(`${path} cannot be let in (${error.code})`, error);
  });
}

/** What runs besides the command counts against the kernel's number too: bwrap, its init, the display and its threads. */
function withOverhead({ limits, display }: SandboxOptions): { memoryBytes: number | null; processes: number } {
  const overhead = 4 + (display ? 8 + availableParallelism() : 0);
  return { memoryBytes: limits.memoryBytes, processes: limits.processes + overhead };
}

/** Waits for the inner script's word; returns the id of the sandbox's init process, null without walls. */
async function readyOrDead(
  status: Readable | null,
  ready: Readable,
  stderr: Readable,
  exit: Promise<{ code: number | null; signal: string | null }>,
): Promise<number | null> {
  const timeout = AbortSignal.timeout(READY_WITHIN_MS);
  const late = new Promise<never>((_, reject) => {
    timeout.addEventListener('abort', () => reject(unavailable(`it was not ready within ${READY_WITHIN_MS / 1000} s`)));
  });
  late.catch(() => undefined);
  const initPid = status && childPid(status);
  initPid?.catch(() => undefined);
  if (await Promise.race([isSpoken(ready), late])) return initPid && (await Promise.race([initPid, late]));
  const { code, signal } = await Promise.race([exit, late]);
  const complaint = (await Promise.race([text(stderr), late])).slice(-COMPLAINT_BYTES).trim();
  throw unavailable(complaint || `it ended with ${signal ?? `exit code ${code}`} before it was ready`);
}

/** Whether something was said before the end; only our own script runs before that. */
function isSpoken(ready: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    ready.once('data', () => resolve(true));
    ready.once('close', () => resolve(false));
  });
}

/** bwrap's first JSON document is `{ "child-pid": … }`. */
async function childPid(status: Readable): Promise<number> {
  let seen = '';
  return new Promise((resolve, reject) => {
    status.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      const pid = /"child-pid":\s*(\d+)/.exec(seen)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    status.on('end', () => reject(unavailable('bubblewrap did not say what it started')));
  });
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

/** With walls, everything inside dies with bwrap. */
function killEverything(child: ChildProcess, isGroup: boolean): void {
  if (child.pid === undefined) return;
  try {
    process.kill(isGroup ? -child.pid : child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

function unavailable(reason: string, cause?: unknown): PictorError {
  return new PictorError('sandbox-unavailable', `The sandbox could not be started: ${reason}`, { cause });
}
