import type { BlenderBuild, Capabilities, Device, Engine, RenderDevice } from '@pictor/protocol';

/** What a worker must be able to do for a job. Stored with the job, so that every frame is rendered by the same version of Blender. */
export interface JobRequirements {
  engine: Engine;
  /** As asked for; null: as `blender -b` does it, Cycles on the CPU and the rest wherever it can. */
  device: Device | null;
  /** Denoisers that the scene and its view layers want, by Blender's names; empty where none. */
  denoisers: string[];
  /** Version of Blender that saved the file: an older one cannot be trusted to read it. */
  savedWith: string;
  /** The one version that renders the job. */
  blenderVersion: string;
}

/** The devices and the build with which a worker can render a job, or what it lacks, for people. */
export type Fit = { fits: true; devices: RenderDevice[]; build: BlenderBuild } | { fits: false; lacks: string };

/** Whether a worker can render a job, by what it has measured of itself. Pure. */
export function fitWorker(requirements: JobRequirements, capabilities: Capabilities): Fit {
  const build = capabilities.builds.find(
    (candidate) =>
      candidate.version === requirements.blenderVersion && lacksOfBuild(requirements, candidate) === undefined,
  );
  if (!build) {
    const version = requirements.blenderVersion;
    const named = capabilities.builds.find((candidate) => candidate.version === version);
    return { fits: false, lacks: (named && lacksOfBuild(requirements, named)) ?? `Blender ${version}` };
  }
  const devices = capabilities.devices.filter((device) => isWanted(requirements, device));
  if (devices.length === 0) return { fits: false, lacks: deviceName(requirements) };
  return { fits: true, devices, build };
}

/** What a build lacks for a job, whatever its version is; undefined where nothing. */
export function lacksOfBuild(
  requirements: Pick<JobRequirements, 'engine' | 'denoisers'>,
  build: BlenderBuild,
): string | undefined {
  if (!build.engines.includes(requirements.engine)) return `the engine ${requirements.engine}`;
  const denoiser = requirements.denoisers.find((name) => !(build.denoisers as string[]).includes(name));
  return denoiser && `the denoiser ${denoiser}`;
}

/** Whether a device is one that the job asks for. A job for `GPU+CPU` holds the graphics card. */
export function isWanted(requirements: Pick<JobRequirements, 'engine' | 'device'>, device: RenderDevice): boolean {
  switch (requirements.device) {
    case null:
      return requirements.engine !== 'CYCLES' || device.kind === 'CPU';
    case 'CPU':
      return device.kind === 'CPU';
    case 'GPU':
    case 'GPU+CPU':
      return device.kind === 'GPU';
  }
}

/** The device that a job asks for, in words. */
export function deviceName(requirements: Pick<JobRequirements, 'device'>): string {
  return requirements.device === 'GPU' || requirements.device === 'GPU+CPU' ? 'a GPU' : 'a CPU device';
}

/** Orders Blender versions such as `3.4.1`; with `parts` 2 only major and minor count. Negative where `a` is older. */
export function compareVersions(a: string, b: string, parts = 3): number {
  const numbers = (version: string) => version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [numbers(a), numbers(b)];
  for (let index = 0; index < parts; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
