import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HistoryDependence, type InspectionReport } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ExampleScene, makeExampleScenes } from '../../../../examples/scenes.ts';
import { inspectFiles, runBlender } from './testing/run-blender.ts';

const folder = await mkdtemp(join(tmpdir(), 'pictor-inspection-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('inspection of the example scenes', () => {
  const reports = new Map<ExampleScene, InspectionReport>();

  beforeAll(async () => {
    const projects = Object.entries(await makeExampleScenes(join(folder, 'examples')));
    const files = projects.map(([, { path, root }]) => ({ file: path, root }));
    const found = await inspectFiles(folder, files);
    for (const [index, [name]] of projects.entries())
      reports.set(name as ExampleScene, found[index] as InspectionReport);
  });

  function sceneOf(name: ExampleScene) {
    const scene = reports.get(name)?.scenes[0];
    if (!scene) throw new Error(`no scene in ${name}`);
    return scene;
  }

  it('says how a plain scene is rendered', () => {
    expect(reports.get('cube')).toMatchObject({ activeScene: 'Scene', references: [], scripts: [] });
    expect(sceneOf('cube')).toMatchObject({
      ...{ cameras: ['Camera'], camera: 'Camera', hasMarkerCamera: false },
      ...{ frameStart: 1, frameEnd: 8, frameStep: 1, fps: 24, engine: 'CYCLES', samples: 4 },
      ...{ resolutionX: 64, resolutionY: 36, resolutionPercent: 100, format: 'PNG', depth: '8', isMovie: false },
      ...{ usesDenoiser: false, denoiser: null, usesCompositor: false, usesSequencer: false, fileOutputNodes: [] },
      ...{ views: [], stereoFormat: null, usesMotionBlur: false, usesHair: false, usesFreestyle: false },
      ...{ viewLayers: [{ name: 'ViewLayer', enabled: true }], historyDependences: [] },
    });
  });

  it('lists textures and libraries, with the library that holds a texture', () => {
    expect(reports.get('textured')?.references).toMatchObject([
      { resolved: 'textures/checker.png', status: 'present' },
    ]);
    expect(reports.get('linked')?.references).toMatchObject([
      { kind: 'library', path: '//../library/crate.blend', resolved: 'library/crate.blend', status: 'present' },
      { kind: 'image', resolved: 'textures/checker.png', status: 'present', library: 'library/crate.blend' },
    ]);
  });

  it('names a missing texture by its path', () => {
    expect(reports.get('missingTexture')?.references).toMatchObject([
      { kind: 'image', path: '//textures/not-there.png', resolved: 'textures/not-there.png', status: 'missing' },
    ]);
  });

  it('sees no camera, and cameras that markers bind', () => {
    expect(sceneOf('noCamera')).toMatchObject({ cameras: [], camera: null, hasMarkerCamera: false });
    expect(sceneOf('animatedCamera')).toMatchObject({ cameras: ['Camera', 'Close'], hasMarkerCamera: true });
  });

  it('sees the engine and its samples', () => {
    expect(sceneOf('eevee')).toMatchObject({ engine: expect.stringMatching(/^BLENDER_EEVEE/), samples: 4 });
  });

  it('sees File Output nodes, views, films and the denoiser', () => {
    expect(sceneOf('fileOutput')).toMatchObject({ usesCompositor: true, fileOutputNodes: ['Depth'] });
    expect(sceneOf('stereo')).toMatchObject({ views: ['left', 'right'], stereoFormat: 'INDIVIDUAL' });
    expect(sceneOf('movie')).toMatchObject({ isMovie: true, format: 'FFMPEG' });
    expect(sceneOf('denoised')).toMatchObject({ usesDenoiser: true, denoiser: 'OPENIMAGEDENOISE' });
  });

  it('sees that unbaked cloth depends on history', () => {
    expect(sceneOf('history').historyDependences).toEqual([
      { kind: 'cloth', object: 'Sheet', modifier: 'Cloth', bakeable: true },
    ]);
  });
});

describe('history', () => {
  const Seen = z.object({ differs: z.boolean(), listed: z.array(HistoryDependence) });
  const Cases = z.record(z.string(), z.object({ unbaked: Seen, baked: Seen.nullable() }));
  const dependent = {
    cloth: 'cloth',
    soft_body: 'soft-body',
    rigid_body: 'rigid-body',
    newtonian_particles: 'particles',
    boids: 'particles',
    fluid_particles: 'particles',
    hair_dynamics: 'particles',
    dynamic_paint: 'dynamic-paint',
    inverse_kinematics: 'inverse-kinematics',
    fluid: 'fluid',
  };
  const independent = ['still_particles', 'hair'];
  let cases: z.infer<typeof Cases>;

  beforeAll(async () => {
    const names = [...Object.keys(dependent), ...independent];
    cases = { ...(await play(names.filter((name) => name !== 'fluid'))), ...(await play(['fluid'])) };
  });

  it.each(Object.entries(dependent))('of %s matters: a jump differs from playing, and it is listed', (name, kind) => {
    expect(cases[name]?.unbaked).toMatchObject({ differs: true, listed: [{ kind }] });
  });

  it.each(Object.keys(dependent).filter((name) => name !== 'inverse_kinematics'))(
    'of baked %s matters no more, and it is not listed',
    (name) => {
      // What keeps its cache beside the .blend is baked by Blender alone.
      const bakeable = name !== 'fluid' && name !== 'dynamic_paint';
      expect(cases[name]?.unbaked.listed).toMatchObject([{ bakeable }]);
      expect(cases[name]?.baked).toEqual({ differs: false, listed: [] });
    },
  );

  it.each(independent)('of %s does not matter, and it is not listed', (name) => {
    expect(cases[name]?.unbaked).toEqual({ differs: false, listed: [] });
  });

  // Fluid gets a Blender of its own: Blender may abort when it loads another file after a simulated one.
  async function play(names: string[]): Promise<z.infer<typeof Cases>> {
    const place = await mkdtemp(join(folder, 'history-'));
    await runBlender('history_cases.py', [place, ...names]);
    return Cases.parse(JSON.parse(await readFile(join(place, 'history.json'), 'utf8')));
  }
});

describe('inspection of real projects', async () => {
  const scenes = join(import.meta.dirname, '../../../../../shared/scenes');
  const areHere = await access(scenes).then(
    () => true,
    () => false,
  );

  it.skipIf(!areHere)('reads files of Blender 2.76 to 3.3 (skipped where ../shared/scenes is absent)', async () => {
    const project = join(scenes, 'multi-file');
    const [bmw, suzanne, driver] = await inspectFiles(folder, [
      { file: join(scenes, 'bmw27/bmw27_cpu.blend'), root: join(scenes, 'bmw27') },
      { file: join(project, 'scenes/02_suzanne.blend'), root: project },
      { file: join(project, 'scenes/12_anim_range_driver.blend'), root: project },
    ]);
    expect(bmw).toMatchObject({ savedWith: '2.76', references: [], scenes: [{ frameEnd: 1000, samples: 400 }] });
    expect(suzanne?.references.filter(({ kind }) => kind === 'library')).toMatchObject([
      { resolved: 'pbr_node/glTF2.blend', status: 'present' },
    ]);
    const missing = suzanne?.references.filter(({ status }) => status === 'missing');
    expect(missing).toMatchObject([{ resolved: 'environments/field.hdr' }]);
    expect(driver).toMatchObject({ savedWith: '3.3', scenes: [{ engine: 'BLENDER_EEVEE' }] });
  });
});
