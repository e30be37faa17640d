import { lstat, readlink } from 'node:fs/promises';
import type { Mount, SandboxOptions } from './sandboxed-process.ts';

const SYSTEM_FOLDERS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** What programs need of /etc and /var to find libraries, fonts and graphics drivers; nothing of it is secret. */
const SYSTEM_PIECES = [
  '/etc/alternatives',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/fonts',
  '/var/cache/fontconfig',
  '/etc/OpenCL/vendors',
  '/etc/vulkan',
  '/etc/glvnd',
];

const MEBIBYTE = 1024 * 1024;
export const TEMPORARY_BYTES = 512 * MEBIBYTE;
export const SHARED_MEMORY_BYTES = 256 * MEBIBYTE;

/**
 * The arguments of bwrap, up to and including `--`.
 *
 * @param sources.job Where the job folder can be reached by the uid that runs bwrap.
 * @param sources.mounts As in the options, with sources that this uid can reach.
 * @param sources.output An output folder that has its limits already; null: bwrap makes one, which it can limit in bytes only.
 * @param statusFd Gets bwrap's JSON about the child.
 */
export async function bubblewrapArguments(
  options: SandboxOptions,
  sources: { job: string; mounts: Mount[]; output: string | null },
  statusFd: number,
): Promise<string[]> {
  const { limits, devices = [], env } = options;
  return [
    ...['--unshare-all', '--unshare-user', '--uid', '65534', '--gid', '65534', '--disable-userns', '--cap-drop', 'ALL'],
    ...['--new-session', '--die-with-parent', '--clearenv', '--hostname', 'sandbox'],
    ...['--json-status-fd', String(statusFd)],
    ...(await systemMounts()),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...devices.flatMap((device) => ['--dev-bind', device, device]),
    ...['--perms', '1777', '--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm'],
    ...['--perms', '1777', '--size', String(TEMPORARY_BYTES), '--tmpfs', '/tmp'],
    ...['--ro-bind', sources.job, '/job'],
    ...(sources.output
      ? ['--bind', sources.output, '/out']
      : ['--perms', '0700', '--size', String(limits.outputBytes), '--tmpfs', '/out']),
    ...sources.mounts.flatMap(({ source, target }) => ['--ro-bind', source, target]),
    // What bwrap builds the tree on is an unlimited tmpfs owned by the sandboxed user: nothing may be written there.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...Object.entries({ ...sandboxEnvironment('/tmp'), ...env }).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', '/job', '--'],
  ];
}

/** The environment every sandboxed process starts from; nothing of the agent's own is passed on. */
export function sandboxEnvironment(home: string): Record<string, string> {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, TMPDIR: '/tmp', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' };
}

async function systemMounts(): Promise<string[]> {
  const args = ['--ro-bind', '/usr', '/usr'];
  for (const folder of SYSTEM_FOLDERS) {
    const stats = await lstat(folder).catch(() => null);
    if (stats?.isSymbolicLink()) args.push('--symlink', await readlink(folder), folder);
    else if (stats?.isDirectory()) args.push('--ro-bind', folder, folder);
  }
  return [
    ...args,
    ...SYSTEM_PIECES.flatMap((piece) => ['--ro-bind-try', piece, piece]),
    '--symlink',
    '/proc/self/mounts',
    '/etc/mtab',
  ];
}
