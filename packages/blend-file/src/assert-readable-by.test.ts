import { PictorError } from '@pictor/protocol';
import { describe, expect, it } from 'vitest';
import { assertReadableBy, decompressStart, readBlendHeader } from './index.ts';

describe(assertReadableBy.name, () => {
  it.each([
    ['BLENDER-v279', ['2.79']],
    ['BLENDER-v304', ['3.4.1']],
    ['BLENDER-v304', ['2.93.0', '10.0.1', '3.3.0']],
    ['BLENDER17-01v0500', ['4.5.0', '5.0.1']],
    ['BLENDER17-01v0502', []],
  ])('takes %s on a network with %j', async (header, versions) => {
    expect(assertReadableBy(await read(header), versions, 'a.blend')).toBeUndefined();
  });

  it('refuses a scene newer than every Blender, naming both versions and the ways out', async () => {
    const header = await read('BLENDER17-01v0502');
    let refusal: unknown;
    try {
      assertReadableBy(header, ['2.93.18', '3.4.1', '3.3.21'], 'extras.blend');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(PictorError);
    expect(refusal).toMatchObject({
      code: 'blend-too-new',
      message:
        'extras.blend was saved by Blender 5.2, but the newest Blender of this network is 3.4.1. ' +
        'Add an agent that has Blender 5.2 or newer, or save the scene with Blender 3.4.1 or older.',
      details: { fileVersion: '5.2', networkVersions: ['2.93.18', '3.4.1', '3.3.21'] },
    });
  });
});

async function read(header: string) {
  return await readBlendHeader(Buffer.from(header), { name: 'a.blend', decompressStart });
}
