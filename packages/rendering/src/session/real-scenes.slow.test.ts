import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pixelDifference, renderFrames, TestBlender } from './testing/test-blender.ts';

const SHARED_SCENES = join(import.meta.dirname, '../../../../../shared/scenes');

/** Small, and the same for both sides. */
const SMALL = { resolution: { width: 48, height: 27 }, samples: 2, denoiser: 'off', allowMissing: true } as const;
const SMALL_IN_PYTHON = [
  'S.render.resolution_x, S.render.resolution_y, S.render.resolution_percentage = 48, 27, 100',
  'S.cycles.samples = S.eevee.taa_render_samples = 2',
  'S.cycles.use_denoising = False',
].join('; ');

describe.skipIf(!existsSync(SHARED_SCENES))(
  'scenes that others made (skipped where ../shared/scenes is absent)',
  () => {
    let blender: TestBlender;

    beforeAll(async () => {
      blender = await TestBlender.create();
      await cp(SHARED_SCENES, blender.scenes, { recursive: true });
    });
    afterAll(() => blender?.close());

    test.each([
      ['bmw27/bmw27_cpu.blend', [1, 2]],
      ['multi-file/scenes/01_missing_textures.blend', [1]],
      ['multi-file/scenes/06_parent-inverse-anim.blend', [0, 5]],
      ['multi-file/scenes/12_anim_range_driver.blend', [3, 4]],
      ['eevee/moving-cube.blend', [10]],
    ])('%s gives the pixels of blender -b', async (file, frames) => {
      const reference = await blender.reference(file, frames, { prepare: SMALL_IN_PYTHON });
      const warm = await blender.warm();
      await warm.open(blender.scene(file, SMALL));
      for (const [path, localPath] of await renderFrames(warm, frames)) {
        expect(await pixelDifference(join(reference, path), localPath), path).toBeNull();
      }
      await blender.closeWarm();
    });
  },
);
