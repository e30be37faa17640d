import { join } from 'node:path';
import type { RenderSettings } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  PERSISTENT_DATA_SCENES,
  pathsBelow,
  pixelDifference,
  renderFrames,
  TestBlender,
} from './testing/test-blender.ts';
import type { WarmBlender } from './warm-blender.ts';

let blender: TestBlender;
let warm: WarmBlender;

beforeAll(async () => {
  blender = await TestBlender.create();
  warm = await blender.warm();
});
afterAll(() => blender?.close());

/** Opens and renders warm, renders with `blender -b`, and expects the same names and the same pixels. */
async function expectSameAsBlender(
  file: string,
  frames: number[],
  options: { settings?: Partial<RenderSettings>; prepare?: string } = {},
): Promise<string[]> {
  const reference = await blender.reference(file, frames, { prepare: options.prepare, scene: options.settings?.scene });
  await warm.open(blender.scene(file, options.settings));
  const files = await renderFrames(warm, frames);
  const paths = [...files.keys()].sort();
  expect(paths).toEqual(await pathsBelow(reference));
  for (const [path, localPath] of files) {
    expect(await pixelDifference(join(reference, path), localPath), `${file}: ${path}`).toBeNull();
  }
  return paths;
}

describe('warm frames have the names and the pixels that blender -b gives', () => {
  test('materials, textures, sequences, linked libraries, modifiers, depth of field, animated visibility', async () => {
    await expectSameAsBlender('materials.blend', [1, 2, 3]);
  });

  test('motion blur of moving and deforming things, volumes, instances, in any order of frames', async () => {
    await expectSameAsBlender('motion.blend', [3, 1, 2]);
  });

  test.each(PERSISTENT_DATA_SCENES)('%s', async (_, file) => {
    await expectSameAsBlender(file, [1, 2, 3]);
  });

  test('Geometry Nodes, animated exposure, drivers that read the range of frames', async () => {
    await expectSameAsBlender('scattered.blend', [1, 3, 2]);
  });

  test('several view layers, the compositor, File Output nodes', async () => {
    const paths = await expectSameAsBlender('layers.blend', [4, 2]);
    expect(paths).toEqual([
      '0002.png',
      '0004.png',
      'In a group_ 1_2/Image0002.png',
      'In a group_ 1_2/Image0004.png',
      'Layered/all0002.exr',
      'Layered/all0004.exr',
      'Passes/Image0002.exr',
      'Passes/Image0004.exr',
      'Passes/depth/Z0000002_.exr',
      'Passes/depth/Z0000004_.exr',
    ]);
  });

  test('EEVEE', async () => {
    await expectSameAsBlender('eevee.blend', [1, 2]);
  });

  test('Workbench', async () => {
    await expectSameAsBlender('workbench.blend', [1, 2]);
  });

  test('stereo as single views, side by side, and as views of one file', async () => {
    const views = ['0001_L.png', '0001_R.png', 'File Output/Image0001_L.png', 'File Output/Image0001_R.png'];
    expect(await expectSameAsBlender('stereo-individual.blend', [1])).toEqual(views);
    expect(await expectSameAsBlender('stereo-3d.blend', [1])).toEqual(['0001.png', 'File Output/Image0001.png']);
    await expectSameAsBlender('stereo-multiview.blend', [1]);
  });

  test('the sequencer; a movie becomes pictures', async () => {
    const prepare = 'S.render.image_settings.file_format = "PNG"; S.render.image_settings.color_depth = "8"';
    expect(await expectSameAsBlender('sequencer.blend', [1, 3], { prepare })).toEqual(['0001.png', '0003.png']);
  });

  test('frame 0, frames before it, and five digits', async () => {
    const paths = await expectSameAsBlender('plain.blend', [0, 12_345]);
    expect(paths).toEqual(['0000.png', '12345.png']);
    await warm.open(blender.scene('plain.blend'));
    expect([...(await renderFrames(warm, [-7])).keys()]).toEqual(['-0007.png']);
  });
});

describe('settings of a job give the pixels of the same settings made in Blender', () => {
  test('scene, engine, samples, resolution', async () => {
    await expectSameAsBlender('scenes.blend', [2]);
    await expectSameAsBlender('scenes.blend', [2], { settings: { scene: 'First' } });
    await expectSameAsBlender('scenes.blend', [1], {
      settings: { samples: 5, resolution: { percent: 50 } },
      prepare: 'S.cycles.samples = 5; S.render.resolution_percentage = 50',
    });
    await expectSameAsBlender('scenes.blend', [1], {
      settings: { engine: 'WORKBENCH', resolution: { width: 40, height: 40 } },
      prepare: 'S.render.engine = "BLENDER_WORKBENCH"; S.render.resolution_x = S.render.resolution_y = 40',
    });
  });

  test('camera (where a marker names another) and view layers', async () => {
    await expectSameAsBlender('scenes.blend', [2], {
      settings: { camera: 'Top', viewLayers: ['Extra'] },
      prepare:
        'S.timeline_markers.clear(); S.camera = bpy.data.objects["Top"]\n' +
        'for L in S.view_layers: L.use = L.name == "Extra"',
    });
  });

  test('no denoiser, nor the node of the compositor', async () => {
    await expectSameAsBlender('denoising-node.blend', [1], {
      settings: { denoiser: 'off' },
      prepare: 'S.cycles.use_denoising = False; S.node_tree.nodes["Denoise"].mute = True',
    });
  });

  test.each([
    ['PNG', 8],
    ['PNG', 16],
    ['JPEG', 8],
    ['OPEN_EXR', 16],
    ['OPEN_EXR', 32],
    ['OPEN_EXR_MULTILAYER', 16],
    ['OPEN_EXR_MULTILAYER', 32],
    ['TIFF', 8],
    ['TIFF', 16],
    ['WEBP', 8],
  ] as const)('%s with %i bits', async (type, depth) => {
    await expectSameAsBlender('plain.blend', [1], {
      settings: { format: { type, depth } },
      prepare: `I = S.render.image_settings; I.file_format = "${type}"; I.color_depth = "${depth}"`,
    });
  });
});
