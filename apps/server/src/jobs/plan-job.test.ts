import { CreateJob, type InspectionReport, PictorError } from '@pictor/protocol';
import { describe, expect, it } from 'vitest';
import { someCapabilities } from '../testing/fake-agent.ts';
import { aReport } from '../testing/test-network.ts';
import type { CapableWorker } from '../workers/index.ts';
import { planJob } from './plan-job.ts';

type Input = Parameters<typeof CreateJob.parse>[0] & object;

const aWorker = (name: string, overrides: Parameters<typeof someCapabilities>[0] = {}): CapableWorker => ({
  workerId: `wrk_${name.padEnd(10, '0')}`,
  name,
  ownerId: 'operator',
  isOnline: true,
  capabilities: someCapabilities(overrides),
});
const aBuild = (version: string, overrides: object = {}) => ({
  ...someCapabilities().builds[0],
  version,
  ...overrides,
});
const GPU = { deviceId: 'gpu-0', kind: 'GPU', name: 'a card', backend: 'CUDA', memoryBytes: 8e9 } as const;

function plan(
  request: Input = {},
  report: InspectionReport = aReport(),
  workers: CapableWorker[] = [aWorker('studio')],
  options: Parameters<typeof planJob>[3] = {},
): ReturnType<typeof planJob> {
  const settings = { file: 'scene.blend', ...(request as { settings?: object }).settings };
  const ids = { snapshotId: 'snp_0000000000', inspectionId: 'ins_0000000000' };
  return planJob(CreateJob.parse({ name: 'a job', ...ids, ...request, settings }), report, workers, options);
}

function refusal(...args: Parameters<typeof plan>): PictorError {
  try {
    plan(...args);
  } catch (error) {
    if (error instanceof PictorError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe(planJob.name, () => {
  it('takes the range and step of the scene where no frames are named', () => {
    const report = aReport({ frameStart: 2, frameEnd: 9, frameStep: 3 });
    expect(plan({}, report)).toMatchObject({ numbers: [2, 5, 8], frames: '2-8x3', playFrom: null });
    expect(plan({ frames: '0,5-6' }, report).numbers).toEqual([0, 5, 6]);
  });

  it('passes on what is wrong with frames', () => {
    expect(refusal({ frames: '1-100000000' }).code).toBe('frames-too-many');
    expect(refusal({ frames: 'x' }).code).toBe('frames-malformed');
    expect(refusal({}, aReport({ frameStart: 9, frameEnd: 1 })).code).toBe('frames-empty');
  });

  it('refuses a scene without a camera, unless a marker or the sequencer makes up for it', () => {
    const none = { camera: null, cameras: [] };
    expect(refusal({}, aReport(none))).toMatchObject({ code: 'no-camera' });
    expect(refusal({}, aReport({ camera: null })).message).toContain('"Camera", "Other"');
    expect(plan({}, aReport({ ...none, hasMarkerCamera: true })).numbers).toHaveLength(4);
    expect(plan({}, aReport({ ...none, usesSequencer: true })).numbers).toHaveLength(4);
    expect(plan({ settings: { camera: 'Other' } }, aReport({ camera: null })).numbers).toHaveLength(4);
  });

  it('refuses scenes, cameras and view layers that are not there, and names those that are', () => {
    expect(refusal({ settings: { scene: 'Nope' } })).toMatchObject({ code: 'unknown-scene' });
    expect(refusal({ settings: { scene: 'Nope' } }).message).toContain('"Scene"');
    expect(refusal({ settings: { camera: 'Nope' } })).toMatchObject({ code: 'unknown-camera' });
    expect(refusal({ settings: { viewLayers: ['Nope'] } })).toMatchObject({ code: 'settings-invalid' });
    expect(refusal({ settings: { viewLayers: [] } })).toMatchObject({ code: 'settings-invalid' });
  });

  it('refuses a depth that the format cannot hold, and timeouts that shrink', () => {
    expect(refusal({ settings: { format: { type: 'JPEG', depth: 16 } } }).message).toContain('JPEG holds 8 bits');
    expect(refusal({ timeouts: { alertSeconds: 60, stopSeconds: 30 } })).toMatchObject({ code: 'settings-invalid' });
    expect(plan({ timeouts: { alertSeconds: 60, stopSeconds: 60 } }).numbers).toHaveLength(4);
  });

  it('lists missing files by path, unless they may be missing', () => {
    const lost = (path: string, status: 'missing' | 'outside', kind: 'image' | 'sound' = 'image') => ({
      ...{ kind, name: path, path, resolved: path, status },
    });
    const references = [
      lost('//textures/wood.png', 'missing'),
      lost('/home/me/sky.hdr', 'outside'),
      lost('//song.wav', 'missing', 'sound'),
      { ...lost('//walk/####.png', 'missing'), resolved: 'walk/0007.png', pattern: 'sequence' as const },
    ];
    const error = refusal({}, aReport({}, { references }));
    expect(error.code).toBe('missing-files');
    expect(error.details.missing).toEqual(['//textures/wood.png', '/home/me/sky.hdr', 'walk/0007.png']);
    expect(error.message).toContain('--allow-missing');
    expect(plan({ settings: { allowMissing: true } }, aReport({}, { references })).numbers).toHaveLength(4);
    expect(plan({}, aReport({}, { references: references.slice(2, 3) })).numbers).toHaveLength(4);
  });

  it('refuses scenes that depend on history by name, unless one worker renders all in order', () => {
    const cloth = { kind: 'cloth', object: 'Flag', modifier: 'Cloth', bakeable: true } as const;
    const report = aReport({ historyDependences: [cloth], frameStart: 1, frameEnd: 9 });
    expect(refusal({}, report)).toMatchObject({ code: 'history-dependent' });
    expect(refusal({}, report).message).toContain('cloth of "Flag"');
    expect(refusal({}, report).message).toContain('--bake');
    const paint = { kind: 'dynamic-paint', object: 'Wall', modifier: 'Paint', bakeable: false } as const;
    expect(refusal({}, aReport({ historyDependences: [paint] })).message).not.toContain('--bake');
    expect(() => plan({}, report, undefined, { isBaked: true })).toThrow('could not be baked here');
    expect(plan({ sequential: true, frames: '5-9' }, report)).toMatchObject({ playFrom: 1, frames: '5-9' });
  });

  it('refuses frames after the last one that was baked', () => {
    const planBaked = (frames: string) => plan({ frames }, aReport({ frameEnd: 4 }), undefined, { isBaked: true });
    expect(planBaked('0-4').numbers).toHaveLength(5);
    expect(() => planBaked('1-5')).toThrow('Frame 5 was not baked');
  });

  it('refuses an engine or device that no worker has, and says which workers there are', () => {
    const workers = [aWorker('studio', { builds: [aBuild('3.4.1', { engines: ['CYCLES'] }) as never] })];
    const eevee = refusal({ settings: { engine: 'EEVEE' } }, aReport(), workers);
    expect(eevee).toMatchObject({ code: 'no-agent-for-job', details: { lacks: 'EEVEE' } });
    expect(eevee.message).toContain('studio (CPU; Blender 3.4.1: CYCLES, no denoiser)');
    expect(refusal({ settings: { device: 'GPU' } })).toMatchObject({ code: 'no-agent-for-job' });
    expect(refusal({}, aReport(), []).message).toContain('start an agent');
    expect(refusal({}, aReport({ engine: 'LUXCORE' })).message).toContain('LUXCORE');
    const gpu = [aWorker('card', { devices: [GPU] })];
    expect(plan({ settings: { device: 'GPU' } }, aReport(), gpu).requirements.device).toBe('GPU');
    expect(refusal({}, aReport(), gpu).message).toContain('CPU');
    expect(plan({}, aReport({ engine: 'BLENDER_EEVEE_NEXT' }), gpu).requirements.engine).toBe('EEVEE');
  });

  it('refuses a denoiser that no worker has, and names the ways out', () => {
    const report = aReport({ usesDenoiser: true, denoiser: 'OPENIMAGEDENOISE' });
    const error = refusal({}, report);
    expect(error.code).toBe('denoiser-unavailable');
    expect(error.message).toContain('--denoiser off');
    expect(plan({ settings: { denoiser: 'off' } }, report).requirements.denoisers).toEqual([]);
    expect(plan({ settings: { engine: 'EEVEE' } }, report).requirements.denoisers).toEqual([]);
    const still = aReport({
      usesDenoiser: true,
      denoiser: 'OPENIMAGEDENOISE',
      viewLayers: [{ name: 'ViewLayer', enabled: true, denoises: false }],
    });
    expect(plan({}, still).requirements.denoisers).toEqual([]);
    const able = aWorker('able', { builds: [aBuild('3.4.1', { denoisers: ['OPENIMAGEDENOISE'] }) as never] });
    expect(plan({}, report, [aWorker('studio'), able]).requirements.denoisers).toEqual(['OPENIMAGEDENOISE']);
  });

  it('renders with the oldest Blender that is not older than the file, of workers that are there', () => {
    const worker = (name: string, version: string) => aWorker(name, { builds: [aBuild(version) as never] });
    const workers = [worker('new', '5.0.1'), worker('middle', '4.2.3'), worker('old', '3.3.0')];
    expect(plan({}, aReport(), workers).requirements.blenderVersion).toBe('4.2.3');
    const away = workers.map((w) => (w.name === 'middle' ? { ...w, isOnline: false } : w));
    expect(plan({}, aReport(), away).requirements.blenderVersion).toBe('5.0.1');
    const error = refusal({}, aReport({}, { savedWith: '5.1' }), workers);
    expect(error).toMatchObject({ code: 'blend-too-new', details: { newest: '5.0.1' } });
  });

  it('knows what every frame must leave', () => {
    expect(plan({}, aReport({ resolutionX: 1920, resolutionY: 1080, resolutionPercent: 33 })).expectedOutputs).toEqual({
      ...{ pictures: 1, format: 'PNG', maxWidth: 633, maxHeight: 356 },
    });
    const settings = { resolution: { width: 100, height: 50 }, format: { type: 'OPEN_EXR' } };
    expect(plan({ settings }).expectedOutputs).toMatchObject({ format: 'OPEN_EXR', maxWidth: 100, maxHeight: 50 });
    expect(plan({}, aReport({ isMovie: true, format: 'FFMPEG' })).expectedOutputs.format).toBeNull();
    expect(plan({}, aReport({ views: ['left', 'right'] })).expectedOutputs.maxWidth).toBeNull();
  });
});
