import { mkdtemp, rm } from 'node:fs/promises';
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  type BlenderBuild,
  type Capabilities,
  PICTOR_VERSION,
  type RenderDevice,
  untestedBlender,
} from '@pictor/protocol';
import {
  findBlenders,
  findDecoderProblem,
  listDevices,
  probeBuild,
  probeSandbox,
  type SandboxProbe,
} from '@pictor/rendering';
import { diskFreeBytes } from '../connection/measure-telemetry.ts';
import { errorText, log } from '../log.ts';

/** What this machine can do, as it was really tried. */
export interface Measured {
  sandbox: SandboxProbe;
  /** Newest first. */
  builds: BlenderBuild[];
  devices: RenderDevice[];
}

/**
 * Tries the sandbox and every Blender that is found: pictures are rendered where a build is seen for the first time
 * (`buildsFile` keeps the results).
 */
export async function measureMachine(blenderPaths: string[], buildsFile: string): Promise<Measured> {
  const sandbox = await probeWalls();
  const builds = await probeBuilds(blenderPaths, buildsFile, sandbox);
  const [newest] = builds;
  return { sandbox, builds, devices: newest === undefined ? [cpuDevice()] : await listDevices(newest) };
}

/** Every Blender that is found here and starts, newest first. */
export async function probeBuilds(
  blenderPaths: string[],
  buildsFile: string,
  sandbox: SandboxProbe,
): Promise<BlenderBuild[]> {
  const builds: BlenderBuild[] = [];
  for (const path of await findBlenders(blenderPaths)) {
    try {
      const build = await probeBuild(path, sandbox, buildsFile);
      const untested = untestedBlender(build.version);
      if (untested !== null) {
        log('warn', untested, { path });
      }
      builds.push(build);
    } catch (error) {
      log('warn', 'A Blender could not be used.', { path, error: errorText(error) });
    }
  }
  return builds.sort((first, second) => second.version.localeCompare(first.version, 'en', { numeric: true }));
}

/** What keeps pictures from being decoded is a problem of the sandbox, too: without that no frame is ever done. */
async function probeWalls(): Promise<SandboxProbe> {
  const sandbox = await probeSandbox();
  const workDir = await mkdtemp(join(tmpdir(), 'pictor-decoder-'));
  try {
    const problem = await findDecoderProblem({ sandbox, workDir });
    return problem === null ? sandbox : { ...sandbox, problems: [...sandbox.problems, problem] };
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** The measured machine in the words of the protocol; disk space is that of `cacheDir`, within the cache's bound. */
export async function describeCapabilities(
  measured: Measured,
  cacheDir: string,
  cacheBytes: number,
): Promise<Capabilities> {
  const [cpu] = cpus();
  return {
    agentVersion: PICTOR_VERSION,
    platform: `${platform()}-${arch()}`,
    cpuModel: cpu?.model ?? 'unknown',
    cpuThreads: Math.max(1, cpus().length),
    memoryBytes: totalmem(),
    diskFreeBytes: Math.min(cacheBytes, await diskFreeBytes(cacheDir)),
    devices: measured.devices,
    builds: measured.builds,
    sandbox: measured.sandbox.level,
    sandboxProblems: measured.sandbox.problems,
  };
}

/** Without a Blender nothing renders, but the worker is shown with what it is. */
function cpuDevice(): RenderDevice {
  return { deviceId: 'cpu', kind: 'CPU', name: cpus()[0]?.model ?? 'CPU', backend: null, memoryBytes: totalmem() };
}
