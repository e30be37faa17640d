import type { Mount } from './sandboxed-process.ts';

/** File descriptors of the started process besides 0–2; 3 is the command's channel. */
export const STATUS_FD = 4;
export const READY_FD = 5;

/** Where the tools of this folder are looked for; the agent's own environment is not passed to anything sandboxed. */
export const TOOLS_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The first script, run as the agent's user: joins the cgroups, hides what root must hide, drops to the slot's uid and becomes
 * its arguments. Every step is an `exec`: the process that the agent started is the one that runs bwrap, so that its death and
 * the agent's death reach everything inside.
 */
export function outerScript(join: string[], stage: Stage | null, agentPid: number): string {
  return [
    'set -e',
    ...join.map((file) => `echo $$ > ${quote(file)}`),
    stage
      ? `exec unshare --mount --propagation private /bin/sh -c ${quote(stageScript(stage, agentPid))} sh "$@"`
      : `exec setpriv --pdeathsig KILL /bin/sh -c ${quote(unlessOrphaned(agentPid))} sh "$@"`,
  ].join('\n');
}

/** What an agent that is root prepares in a mount namespace of its own before it drops to `id`. */
export interface Stage {
  /** An empty folder; what is mounted there is seen in that namespace only. */
  folder: string;
  /** Each source appears as STAGED_AT/<index>, wherever it lies: folders above it may be closed to the slot's uid. */
  sources: { path: string; isFolder: boolean }[];
  /** The output folder, a memory file system at STAGED_OUTPUT; only root can bound its files too. */
  output: { bytes: number; files: number };
  id: number;
  /** Groups that own the device nodes that are let in. */
  groups: number[];
}

const STAGED_AT = '/tmp';
export const STAGED_OUTPUT = `${STAGED_AT}/output`;

/** The same mounts with sources that the slot's uid can reach. */
export function stagedMounts(mounts: Mount[], firstIndex: number): Mount[] {
  return mounts.map(({ target }, index) => ({ source: stagedPath(firstIndex + index), target }));
}

export function stagedPath(index: number): string {
  return `${STAGED_AT}/${index}`;
}

function stageScript({ folder, sources, output, id, groups }: Stage, agentPid: number): string {
  const at = (name: number | string) => quote(`${folder}/${name}`);
  // The folder itself is an inode, too.
  const outputOptions = `size=${output.bytes},nr_inodes=${output.files + 1},mode=700,uid=${id},gid=${id},nodev,nosuid,noexec`;
  return [
    'set -e',
    `mount -t tmpfs -o mode=755,size=1m,nodev,nosuid tmpfs ${quote(folder)}`,
    ...sources.map(
      ({ path, isFolder }, index) =>
        `${isFolder ? 'mkdir' : 'touch'} ${at(index)}; mount --bind ${quote(path)} ${at(index)}`,
    ),
    `mkdir ${at('output')}; mount -t tmpfs -o ${outputOptions} tmpfs ${at('output')}`,
    `mount --rbind ${quote(folder)} ${STAGED_AT}`,
    `exec setpriv --reuid ${id} --regid ${id} ${groups.length > 0 ? `--groups ${groups.join(',')}` : '--clear-groups'} \\`,
    `  --inh-caps=-all --pdeathsig KILL /bin/sh -c ${quote(unlessOrphaned(agentPid))} sh "$@"`,
  ].join('\n');
}

/** The death signal is armed by now; if the agent died before that, nobody would send it any more. */
function unlessOrphaned(agentPid: number): string {
  return `[ "$PPID" = ${agentPid} ] || exit 1\nexec "$@"`;
}

/**
 * The script that runs inside: sets the limits of the process, starts the display, says `ready` on READY_FD, waits for a line
 * there, becomes the command.
 */
export function innerScript(options: { display: boolean; processes: number | null; diesWithCommand: boolean }): string {
  const { display, processes, diesWithCommand } = options;
  const limits = ['--core=0:0', ...(processes === null ? [] : [`--nproc=${processes}:${processes}`])];
  const xvfb = 'Xvfb -screen 0 1280x1024x24 -nolisten tcp -noreset -displayfd 6';
  const displayLines = [
    // With walls the sandbox ends with its command; without them the display must be told to.
    'DISPLAY_PIPE=$(mktemp -u)',
    'mkfifo "$DISPLAY_PIPE"',
    `${diesWithCommand ? 'setpriv --pdeathsig KILL ' : ''}${xvfb} 6>"$DISPLAY_PIPE" 3>&- ${READY_FD}>&- >/dev/null 2>&1 &`,
    'read -r NUMBER < "$DISPLAY_PIPE" || { echo "Xvfb did not start: install it (apt install xvfb)" >&2; exit 1; }',
    'rm -f "$DISPLAY_PIPE"',
    'unset DISPLAY_PIPE',
    'export DISPLAY=":$NUMBER"',
    'unset NUMBER',
  ];
  return [
    'set -e',
    `prlimit --pid $$ ${limits.join(' ')}`,
    ...(display ? displayLines : []),
    // The agent opens what it needs of the inside while it is certain that nothing hostile has run yet.
    `echo ready >&${READY_FD}`,
    `read -r GO <&${READY_FD}`,
    'unset GO',
    `exec ${READY_FD}>&-`,
    'exec "$@"',
  ].join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
