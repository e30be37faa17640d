import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bubblewrapArguments, sandboxEnvironment } from './bubblewrap-arguments.ts';
import type { Cgroup } from './cgroup.ts';
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
import { sandboxUnavailable } from './sandbox-unavailable.ts';
import type { SandboxOptions } from './sandboxed-process.ts';
import { slotIdentity } from './slot-identity.ts';

export interface StartedCommand {
  child: ChildProcess;
  /** Without walls, what it starts is found by its process group. */
  isGroup: boolean;
}

/**
 * Starts the chain of programs that ends in the command.
 *
 * @param cgroup Entered before anything else; without one the number of processes is limited by the kernel's own counter.
 */
export async function spawnCommand(
  options: SandboxOptions,
  jobDir: string,
  cgroup: Cgroup | null,
): Promise<StartedCommand> {
  const hasWalls = options.level === 'bubblewrap';
  const inner = innerScript({
    display: options.display,
    // Outside a user namespace this limit counts all that the user runs.
    processes: hasWalls && !cgroup ? withOverhead(options).processes : null,
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
  await once(child, 'spawn');
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
    throw sandboxUnavailable(`${path} cannot be let in (${error.code})`, error);
  });
}

/** What runs besides the command counts against the kernel's number too: bwrap, its init, the display and its threads. */
export function withOverhead({ limits, display }: SandboxOptions): { memoryBytes: number | null; processes: number } {
  const overhead = 4 + (display ? 8 + availableParallelism() : 0);
  return { memoryBytes: limits.memoryBytes, processes: limits.processes + overhead };
}
