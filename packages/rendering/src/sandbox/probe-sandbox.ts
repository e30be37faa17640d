import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TOOLS_PATH } from './launch-scripts.ts';
import type { SandboxOptions, SandboxProbe } from './sandboxed-process.ts';
import { cgroupHomeOfAgent, startSandboxed } from './start-sandboxed.ts';

const MEBIBYTE = 1024 * 1024;

/**
 * Really runs a small sandbox, with and without a display, and says what is missing for it and how to get it.
 *
 * @param options.bwrapPath Where bubblewrap is, if not on the system's path.
 */
export async function probeSandbox(options: { bwrapPath?: string } = {}): Promise<SandboxProbe> {
  const runsAsRoot = process.getuid?.() === 0;
  const home = process.platform === 'linux' ? await cgroupHomeOfAgent() : null;
  const limits = home ? (`cgroup-v${home.version}` as const) : 'rlimit';
  const problem = await problemOf(options.bwrapPath ?? 'bwrap', false);
  if (problem !== null) return { level: 'none', problems: [problem], runsAsRoot, limits };
  const displayProblem = await problemOf(options.bwrapPath ?? 'bwrap', true);
  return { level: 'bubblewrap', problems: displayProblem === null ? [] : [displayProblem], runsAsRoot, limits };
}

/** Null if a sandbox starts, writes its output and ends. */
async function problemOf(bwrapPath: string, display: boolean): Promise<string | null> {
  if (process.platform !== 'linux')
    return `Scenes are kept from this machine on Linux only, not on ${process.platform}.`;
  const workDir = await mkdtemp(join(tmpdir(), 'pictor-probe-'));
  try {
    const sandbox = await startSandboxed({
      ...{ level: 'bubblewrap', slot: 0, workDir, mounts: [], display, env: {}, bwrapPath },
      limits: { memoryBytes: 512 * MEBIBYTE, processes: 64, outputBytes: MEBIBYTE, outputFiles: 16 },
      command: '/bin/sh',
      args: ['-c', display ? 'test -n "$DISPLAY" && echo done > /out/probe' : 'echo done > /out/probe'],
    } satisfies SandboxOptions);
    try {
      await sandbox.exited;
      await sandbox.takeOutput('probe', join(workDir, 'probe'));
      return null;
    } finally {
      await sandbox.kill();
    }
  } catch (error) {
    return await explain(error as Error, bwrapPath);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

async function explain(error: Error, bwrapPath: string): Promise<string> {
  const { message } = error;
  if (message.includes('Xvfb')) {
    return 'Xvfb is not installed, so EEVEE and Workbench cannot render: apt install xvfb (Fedora: dnf install xorg-x11-server-Xvfb).';
  }
  const version = await promisify(execFile)(bwrapPath, ['--version'], { env: { PATH: TOOLS_PATH } }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
  if (version === null) {
    return 'bubblewrap is not installed, so only jobs of this worker’s owner may run here: apt install bubblewrap (Fedora: dnf install bubblewrap).';
  }
  if (/Unknown option|unknown option/.test(message)) {
    return `${version} is too old, 0.8.0 is needed: upgrade the system, or put a newer bwrap on the path.`;
  }
  for (const [file, isForbidden, fix] of KERNEL_SWITCHES) {
    const value = await readFile(file, 'utf8').catch(() => null);
    if (value !== null && isForbidden(Number(value)))
      return `The kernel forbids user namespaces, which bubblewrap needs: ${fix}.`;
  }
  if (/namespace|Operation not permitted|Permission denied|unshare/.test(message)) {
    return `This machine does not let bubblewrap make namespaces (${oneLine(message)}): in a container, run the agent outside of it or allow it user namespaces and mounts (docker run --security-opt seccomp=unconfined --cap-add SYS_ADMIN).`;
  }
  return `bubblewrap does not work here: ${oneLine(message)}`;
}

const KERNEL_SWITCHES: [file: string, isForbidden: (value: number) => boolean, fix: string][] = [
  ['/proc/sys/user/max_user_namespaces', (value) => value === 0, 'sysctl -w user.max_user_namespaces=10000'],
  [
    '/proc/sys/kernel/unprivileged_userns_clone',
    (value) => value === 0,
    'sysctl -w kernel.unprivileged_userns_clone=1',
  ],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    (value) => value === 1,
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
];

function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, ' ').trim();
}
