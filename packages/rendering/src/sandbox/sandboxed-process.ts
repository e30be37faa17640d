import type { Duplex, Readable } from 'node:stream';

/** How scenes are kept from the machine here: `bubblewrap` walls, or `none` (the owner's own jobs only). */
export type WallLevel = 'bubblewrap' | 'none';

/** What this machine can do, asked once at start by really running a sandbox. */
export interface SandboxProbe {
  level: WallLevel;
  /** Sentences for people, each with its fix; empty where the sandbox is whole. */
  problems: string[];
  runsAsRoot: boolean;
  /** What bounds memory and processes: a cgroup, or resource limits and a watchdog. */
  limits: 'cgroup-v1' | 'cgroup-v2' | 'rlimit';
}

/** A read-only file or folder that is let into the sandbox. */
export interface Mount {
  source: string;
  target: string;
}

export interface SandboxLimits {
  /** Everything resident, outputs and temporary files included; null: as much as the machine has. */
  memoryBytes: number | null;
  /** Processes and threads together, as the kernel counts them: Blender alone wants about three per core. */
  processes: number;
  /** All that may lie in /out at one time. It lies in memory, and counts as such, until it is taken. */
  outputBytes: number;
  /** Files and folders that may lie in /out at one time. */
  outputFiles: number;
}

export interface SandboxOptions {
  /** With `none` there are no walls and no output limits: same process, same folders, memory and processes bounded. */
  level: WallLevel;
  /** Two sandboxes of one agent that live at one time have different slots: as root, each slot has a uid of its own. */
  slot: number;
  /** An existing folder of the caller's, private to this process; it gets `job/` (at /job) and, with `none`, `out/`. */
  workDir: string;
  /** Further read-only mounts, the Blender folder above all. */
  mounts: Mount[];
  limits: SandboxLimits;
  /** Device nodes of the leased GPU. */
  devices?: string[];
  /** Starts Xvfb inside the same sandbox and sets DISPLAY. */
  display: boolean;
  command: string;
  args: string[];
  env: Record<string, string>;
  /** Where bubblewrap is, if not on the system's path. */
  bwrapPath?: string;
}

/** How it ended: an exit code or a signal, and which limit ended it, if one did. */
export interface SandboxExit {
  code: number | null;
  signal: string | null;
  limit: 'memory' | 'processes' | 'output' | null;
}

export interface SandboxedProcess {
  pid: number;
  /** A socketpair; the other end is file descriptor 3 inside. Nothing that comes out of it may be believed. */
  channel: Duplex;
  stdout: Readable;
  stderr: Readable;
  /** Where the agent puts the job's files, before or while the process runs. Files must be readable by others (0644). */
  jobDir: string;
  /** The output folder as this process sees it. Its content is hostile: use `takeOutput` and `listOutputs`. */
  outDir: string;
  /** The paths of both as the sandboxed process sees them: /job and /out, or the real folders with `none`. */
  inside: { jobDir: string; outDir: string };
  exited: Promise<SandboxExit>;
  /**
   * Ends everything in the sandbox and gives back the output folder, whose content is gone then.
   * To be called always, also after the process has exited by itself; a second call does nothing.
   */
  kill(): Promise<void>;
  /** What is resident now, in bytes, outputs included; 0 after the end. */
  memoryBytes(): Promise<number>;
  setMemoryLimit(bytes: number | null): Promise<void>;
  /**
   * Moves one output to `destination` (a new file; its folder is made). The only way to open an output: regular files only,
   * no link is followed or accepted, and no more than the output limit is read. Works until `kill`, also after the exit.
   *
   * @param name Chosen by the caller, relative to the output folder, with `/` between its parts.
   * @throws PictorError `not-found` if there is none, `output-refused` if it is not what an output may be,
   *   `path-invalid` for a name that leads out of the folder, `disk-full`.
   */
  takeOutput(name: string, destination: string): Promise<{ sizeBytes: number }>;
  /** Regular files in the output folder, sorted by name, at most `limits.outputFiles`; links and all else are left out. */
  listOutputs(): Promise<{ name: string; sizeBytes: number }[]>;
}
