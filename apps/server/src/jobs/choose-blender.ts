import { PictorError, type SceneInspection } from '@pictor/protocol';
import {
  type CapableWorker,
  compareVersions,
  deviceName,
  isWanted,
  type JobRequirements,
  lacksOfBuild,
} from '../workers/index.ts';

/**
 * The one version of Blender that renders a job: the oldest that is not older than the one which saved the file, since that shows the
 * scene as its creator saw it; workers that are connected are asked first. Throws `blend-too-new`, `denoiser-unavailable`,
 * `no-agent-for-job`, each saying what is lacking and which workers there are.
 */
export function chooseBlender(
  wanted: Omit<JobRequirements, 'blenderVersion'>,
  workers: readonly CapableWorker[],
): JobRequirements {
  const isNewEnough = (version: string) => compareVersions(version, wanted.savedWith, 2) >= 0;
  const candidates = workers
    .map((worker) => ({
      worker,
      builds: worker.capabilities.builds.filter((build) => isNewEnough(build.version)),
      devices: worker.capabilities.devices.filter((device) => isWanted(wanted, device)),
    }))
    .map((candidate) => ({
      ...candidate,
      fitting: candidate.builds.filter((build) => lacksOfBuild(wanted, build) === undefined),
    }));
  const able = candidates.filter((candidate) => candidate.fitting.length > 0 && candidate.devices.length > 0);
  const asked = able.some(({ worker }) => worker.isOnline) ? able.filter(({ worker }) => worker.isOnline) : able;
  const versions = asked.flatMap(({ fitting }) => fitting.map((build) => build.version)).sort(compareVersions);
  const [blenderVersion] = versions;
  if (blenderVersion !== undefined) return { ...wanted, blenderVersion };
  throw refusal(wanted, workers, candidates);
}

function refusal(
  wanted: Omit<JobRequirements, 'blenderVersion'>,
  workers: readonly CapableWorker[],
  candidates: readonly { builds: CapableWorker['capabilities']['builds']; devices: readonly unknown[] }[],
): PictorError {
  const known = `Workers known: ${workers.map(describe).join('; ') || 'none'}.`;
  const details = { workers: workers.map(({ workerId, name }) => ({ workerId, name })) };
  if (workers.length === 0) {
    return new PictorError('no-agent-for-job', 'No worker has ever connected to this network: start an agent first.', {
      details,
    });
  }
  if (candidates.every(({ builds }) => builds.length === 0)) {
    const versions = workers.flatMap((worker) => worker.capabilities.builds.map((build) => build.version));
    const newest = versions.sort(compareVersions).at(-1);
    return new PictorError(
      'blend-too-new',
      `The file was saved by Blender ${wanted.savedWith}; the newest on this network is ${newest ?? 'none'}. ` +
        `Install Blender ${wanted.savedWith} or newer on a worker, or save the file with an older one. ${known}`,
      { details: { ...details, savedWith: wanted.savedWith, newest: newest ?? null } },
    );
  }
  const withEngine = candidates.filter(({ builds }) => builds.some((build) => build.engines.includes(wanted.engine)));
  if (withEngine.length === 0) {
    return new PictorError('no-agent-for-job', `No worker can render with the engine ${wanted.engine}. ${known}`, {
      details: { ...details, lacks: wanted.engine },
    });
  }
  if (candidates.every(({ devices }) => devices.length === 0)) {
    return new PictorError('no-agent-for-job', `No worker has ${deviceName(wanted)} to render on. ${known}`, {
      details: { ...details, lacks: wanted.device },
    });
  }
  const denoiser = wanted.denoisers.find(
    (name) => !withEngine.some(({ builds }) => builds.some((build) => (build.denoisers as string[]).includes(name))),
  );
  if (denoiser !== undefined) {
    return new PictorError(
      'denoiser-unavailable',
      `The scene wants to be denoised with ${denoiser}, which no Blender on this network has: rendered so, it would give no ` +
        `picture. Render without denoising (--denoiser off), or add an agent whose Blender has it. ${known}`,
      { details: { ...details, denoiser } },
    );
  }
  return new PictorError(
    'no-agent-for-job',
    `No single worker has all that the job needs: the engine ${wanted.engine}, ${deviceName(wanted)}` +
      `${wanted.denoisers.map((name) => `, the denoiser ${name}`).join('')}, Blender ${wanted.savedWith} or newer. ${known}`,
    { details },
  );
}

/** A worker in a few words: `studio-1 (offline; CPU, GPU; Blender 3.4.1: CYCLES, EEVEE, no denoiser)`. */
function describe(worker: CapableWorker): string {
  const kinds = [...new Set(worker.capabilities.devices.map((device) => device.kind))].join(', ');
  const builds = worker.capabilities.builds.map((build) => {
    const engines = build.engines.join(', ') || 'no engine';
    return `Blender ${build.version}: ${engines}, ${build.denoisers.join(', ') || 'no denoiser'}`;
  });
  const parts = [...(worker.isOnline ? [] : ['offline']), kinds, ...(builds.length > 0 ? builds : ['no Blender'])];
  return `${worker.name} (${parts.join('; ')})`;
}

/** The denoisers that a scene wants: Cycles alone asks for one by name, for the view layers that denoise. */
export function denoisersOf(scene: SceneInspection, viewLayers: readonly string[] | undefined): string[] {
  if (!scene.usesDenoiser || scene.denoiser === null) return [];
  const rendered = scene.viewLayers.filter((layer) => (viewLayers ? viewLayers.includes(layer.name) : layer.enabled));
  return rendered.some((layer) => layer.denoises) ? [scene.denoiser] : [];
}
