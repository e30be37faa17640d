import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { SandboxExit, SandboxLimits, WallLevel } from '../sandboxed-process.ts';
import { startSandboxed } from '../start-sandboxed.ts';
import type { Grounds } from './grounds.ts';

const MEBIBYTE = 1024 * 1024;
let runs = 0;

/** How one hostile scene is opened: with walls and limits, or with neither. */
export interface Way {
  level: WallLevel;
  /** Undefined: whatever this machine has. Null: without cgroups. */
  cgroups?: null;
}

/** What a hostile scene has done, as it looks from outside after its end. The folders are still there until `clear`. */
export interface AttackRun {
  grounds: Grounds;
  exit: SandboxExit;
  /** Everything that came out of the channel, stdout and stderr. */
  said: string;
  workDir: string;
  jobDir: string;
  outDir: string;
  hasSeen(secret: keyof Grounds['secrets'], after?: string): boolean;
  /** As the agent opens outputs; without the sandbox, as a careless one would. Its content, or why there is none. */
  openOutput(name: string): Promise<string>;
  outputSize(name: string): Promise<number>;
  clear(): Promise<void>;
}

/** Opens a hostile scene in Blender, with the execution of its scripts on, and waits for the end. */
export async function runAttack(
  scene: string,
  grounds: Grounds,
  way: Way,
  limits: Partial<SandboxLimits> = {},
): Promise<AttackRun> {
  runs += 1;
  const slot = runs;
  const workDir = join(grounds.root, `run-${slot}`);
  const jobDir = join(workDir, 'job');
  await mkdir(jobDir, { recursive: true });
  await writeFile(join(workDir, 'beside.txt'), grounds.secrets.beside);
  await writeFile(join(jobDir, 'shared.txt'), 'unchanged');
  await copyFile(scene, join(jobDir, 'scene.blend'));
  const hasWalls = way.level === 'bubblewrap';
  const processes = 64 + 4 * availableParallelism();
  const known = {
    ...{ home: grounds.home, otherJob: grounds.otherJob, agentKey: grounds.agentKey, victim: grounds.victim.pid },
    ...{ port: grounds.port, abstractSocket: grounds.abstractSocket, socket: grounds.socket },
    ...{ workDir, beside: join(workDir, 'beside.txt'), out: hasWalls ? '/out' : join(workDir, 'out') },
    // With walls a limit must end it; without them it ends by itself.
    ...{ processes, waits: hasWalls },
  };
  const normal = { memoryBytes: null, processes, outputBytes: 64 * MEBIBYTE, outputFiles: 1_000 };
  const none = { memoryBytes: null, processes: 100_000, outputBytes: 1024 * MEBIBYTE, outputFiles: 1_000_000 };
  const sandbox = await startSandboxed(
    {
      ...{ level: way.level, slot, workDir, mounts: [], display: false },
      limits: hasWalls ? { ...normal, ...limits } : none,
      env: { KNOWN_TO_THE_ATTACKER: JSON.stringify(known) },
      command: 'blender',
      args: ['-b', '--factory-startup', '--enable-autoexec', `${hasWalls ? '/job' : jobDir}/scene.blend`],
    },
    way.cgroups,
  );
  let said = '';
  for (const stream of [sandbox.channel, sandbox.stdout, sandbox.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const exit = await sandbox.exited;
  const outDir = sandbox.outDir;
  return {
    ...{ grounds, exit, workDir, jobDir, outDir },
    get said() {
      return said;
    },
    hasSeen: (secret, after = '') => said.includes(after + grounds.secrets[secret]),
    async openOutput(name) {
      if (!hasWalls) return openCarelessly(join(workDir, 'out', name), name);
      const destination = join(workDir, `taken-${randomUUID()}`);
      return sandbox.takeOutput(name, destination).then(() => readFile(destination, 'utf8'), String);
    },
    outputSize: async (name) => (await stat(join(outDir, name)).catch(() => null))?.size ?? 0,
    async clear() {
      await sandbox.kill();
      await rm(workDir, { recursive: true, force: true });
    },
  };
}

/** A name that is an absolute path is taken for one, links are followed, whatever it is gets opened. */
async function openCarelessly(path: string, name: string): Promise<string> {
  const stats = await stat(path).catch(() => null);
  if (stats?.isFIFO()) return 'waits for ever';
  return readFile(name.startsWith('/') ? name : path, 'utf8').catch(String);
}
