import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, deflateSync } from 'node:zlib';
import type { FailureKind } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RenderFailure } from '../render-failure.ts';
import { probeSandbox, type SandboxProbe } from '../sandbox/index.ts';
import { createOutputDecoder, findDecoderProblem, formatMismatch, type OutputDecoder } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'pictor-outputs-'));
const pictures = join(folder, 'pictures');
let sandbox: SandboxProbe;
let decoder: OutputDecoder;

/** Format, depths, colour modes: every one that Blender writes. */
const BLENDER_FORMATS = [
  ['PNG', [8, 16], ['BW', 'RGB', 'RGBA']],
  ['JPEG', [8], ['BW', 'RGB']],
  ['TIFF', [8, 16], ['RGB', 'RGBA']],
  ['WEBP', [8], ['RGB', 'RGBA']],
  ['OPEN_EXR', [16, 32], ['RGB', 'RGBA']],
  ['OPEN_EXR_MULTILAYER', [16, 32], ['RGBA']],
  ['BMP', [8], ['RGB']],
  ['IRIS', [8], ['RGBA']],
  ['JPEG2000', [8, 12, 16], ['RGBA']],
  ['TARGA', [8], ['RGBA']],
  ['CINEON', [10], ['RGB']],
  ['DPX', [8, 10, 12, 16], ['RGB', 'RGBA']],
  ['HDR', [32], ['RGB']],
] as const;
const CASES = BLENDER_FORMATS.flatMap(([format, depths, modes]) =>
  depths.flatMap((depth) => modes.map((mode) => ({ format, depth, mode }))),
);

beforeAll(async () => {
  sandbox = await probeSandbox();
  mkdirSync(pictures);
  const script = join(folder, 'save_everything.py');
  writeFileSync(script, SAVE_EVERYTHING);
  execFileSync(
    'blender',
    ['-b', '--factory-startup', '--python-exit-code', '1', '-P', script, '--', pictures, JSON.stringify(CASES)],
    { stdio: 'pipe' },
  );
  mkdirSync(join(folder, 'work'));
  decoder = createOutputDecoder({ sandbox, workDir: join(folder, 'work') });
});

afterAll(async () => {
  await decoder.close();
  rmSync(folder, { recursive: true });
});

describe(createOutputDecoder.name, () => {
  it.each(CASES)('decodes what Blender writes as $format with $depth bits, $mode', async ({ format, depth, mode }) => {
    const decoded = await decoder.decode(picture(`${format}-${depth}-${mode}`));
    const channels = format === 'OPEN_EXR_MULTILAYER' ? 8 : { BW: 1, RGB: 3, RGBA: 4 }[mode];
    expect(decoded).toEqual({
      width: 64,
      height: 36,
      channels,
      format,
      depth,
      pixelSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('gives the same hash to the same pixels in another file format, and another to other pixels', async () => {
    const hashOf = async (name: string) => (await decoder.decode(picture(name))).pixelSha256;
    const rgba8 = await hashOf('PNG-8-RGBA');
    expect(await hashOf('TIFF-8-RGBA')).toBe(rgba8);
    expect(await hashOf('TARGA-8-RGBA')).toBe(rgba8);
    expect(await hashOf('IRIS-8-RGBA')).toBe(rgba8);
    expect(await hashOf('TIFF-16-RGB')).toBe(await hashOf('PNG-16-RGB'));
    const all = await Promise.all(['PNG-8-RGBA', 'PNG-8-RGB', 'PNG-16-RGBA', 'OPEN_EXR-16-RGBA'].map(hashOf));
    expect(new Set(all).size).toBe(4);
  });

  it('hashes what its definition says: stored values, colour under zero alpha included', async () => {
    const pixels = Buffer.from([255, 0, 7, 0, 1, 2, 3, 255, 9, 9, 9, 128, 0, 0, 0, 0, 200, 100, 50, 1, 4, 5, 6, 254]);
    const path = given('by-hand.png', png({ width: 3, height: 2, pixels }));
    const described =
      '{"channels":[["R","uint8"],["G","uint8"],["B","uint8"],["A","uint8"]],"height":2,"name":"","width":3,"x":0,"y":0}';
    const expected = createHash('sha256').update(`pictor-pixels-v1\n${described}\n`).update(pixels).digest('hex');
    expect(await decoder.decode(path)).toEqual({
      width: 3,
      height: 2,
      channels: 4,
      format: 'PNG',
      depth: 8,
      pixelSha256: expected,
    });

    const dated = given('dated.png', png({ width: 3, height: 2, pixels, text: 'Date\0yesterday' }));
    expect((await decoder.decode(dated)).pixelSha256).toBe(expected);
    pixels[0] = 254;
    const changed = given('changed.png', png({ width: 3, height: 2, pixels }));
    expect((await decoder.decode(changed)).pixelSha256).not.toBe(expected);
  });

  it('decodes both views of stereo pictures, and every part of an EXR of several parts', async () => {
    expect(await decoder.decode(picture('stereo-OPEN_EXR'))).toMatchObject({ channels: 8, format: 'OPEN_EXR' });
    expect(await decoder.decode(picture('stereo-OPEN_EXR_MULTILAYER'))).toMatchObject({
      channels: 10,
      format: 'OPEN_EXR_MULTILAYER',
      depth: 32,
    });
    const [one, two] = [picture('OPEN_EXR-32-RGBA'), picture('OPEN_EXR-16-RGB')];
    const parts = join(folder, 'parts.exr');
    execFileSync('oiiotool', [one, two, '--siappend', '-o', parts]);
    const both = await decoder.decode(parts);
    expect(both).toMatchObject({ channels: 7, format: 'OPEN_EXR', depth: 16 });
    const reversed = join(folder, 'reversed.exr');
    execFileSync('oiiotool', [two, one, '--siappend', '-o', reversed]);
    expect((await decoder.decode(reversed)).pixelSha256).not.toBe(both.pixelSha256);
  });

  it('decodes large pictures in bands and tiles to the same hash', async () => {
    const hashes = await Promise.all(
      [[], ['--tile', '64', '64']].map(async (options, index) => {
        const path = join(folder, `large-${index}.exr`);
        execFileSync('oiiotool', [
          '--pattern',
          'noise:seed=1',
          '3000x1100',
          '4',
          '-d',
          'float',
          ...options,
          '-o',
          path,
        ]);
        return (await decoder.decode(path)).pixelSha256;
      }),
    );
    expect(hashes[0]).toBe(hashes[1]);
  });

  it.each(CASES)('refuses $format with $depth bits, $mode, where it was cut off', async ({ format, depth, mode }) => {
    const whole = readFileSync(picture(`${format}-${depth}-${mode}`));
    const extension = picture(`${format}-${depth}-${mode}`).split('.').at(-1);
    const path = given(`cut.${extension}`, whole.subarray(0, Math.floor(whole.length * 0.9)));
    const error = await failure(path, 'output-unreadable');
    expect(error.message).toContain(`cut.${extension}`);
  });

  it('refuses a PNG or a JPEG that lacks nothing but its end', async () => {
    for (const name of ['PNG-8-RGBA', 'JPEG-8-RGB']) {
      const whole = readFileSync(picture(name));
      await failure(given('no-end', whole.subarray(0, -2)), 'output-unreadable');
    }
  });

  it('refuses damaged files, text, empty files, and a picture of no format of Blender’s', async () => {
    const damaged = readFileSync(picture('PNG-8-RGBA'));
    damaged.subarray(-200, -184).fill(0x5a);
    const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
    const files = { 'a.png': damaged, 'b.png': Buffer.from('words'), 'c.png': Buffer.alloc(0), 'd.png': gif };
    for (const [name, bytes] of Object.entries(files)) {
      expect((await failure(given(name, bytes), 'output-unreadable')).message).toContain(name);
    }
  });

  it('refuses everything but regular files, and says where there is none', async () => {
    symlinkSync(picture('PNG-8-RGBA'), join(folder, 'link.png'));
    execFileSync('mkfifo', [join(folder, 'fifo.png')]);
    for (const path of [join(folder, 'link.png'), join(folder, 'fifo.png'), pictures, '/dev/zero']) {
      await failure(path, 'output-refused');
    }
    await failure(join(folder, 'nothing.png'), 'no-output');
  });

  it('refuses decompression bombs: by what they claim, by memory, by time', async () => {
    const claimed = given('claimed.png', png({ width: 60_000, height: 60_000, pixels: null }));
    expect((await failure(claimed, 'output-unreadable')).message).toMatch(/60000 x 60000/);

    // Interlaced pictures are decoded at once: 3.2 GB.
    const interlaced = png({ width: 20_000, height: 20_000, pixels: null, depth: 16, isInterlaced: true });
    expect((await failure(given('interlaced.png', interlaced), 'output-unreadable')).message).toMatch(/memory/);

    const hasty = createOutputDecoder({ sandbox, workDir: join(folder, 'work'), slot: 901, decodeSeconds: 0.5 });
    try {
      const rows = Buffer.alloc(12_000 * (1 + 12_000 * 4));
      const slow = given('slow.png', pngOf({ width: 12_000, height: 12_000 }, deflateSync(rows, { level: 1 })));
      const error = await outcome(hasty.decode(slow));
      expect(error).toMatchObject({ kind: 'output-unreadable', message: expect.stringContaining('longer than 0.5 s') });
    } finally {
      await hasty.close();
    }
  });

  it('decodes on after a failure, and many at once', async () => {
    const names = CASES.map(({ format, depth, mode }) => `${format}-${depth}-${mode}`);
    const first = await Promise.all(names.map((name) => decoder.decode(picture(name))));
    await failure(given('bad.png', Buffer.from('bad')), 'output-unreadable');
    const second = await Promise.all(names.map((name) => decoder.decode(picture(name))));
    expect(second).toEqual(first);
  });

  it('starts with the first picture, is another process for another owner, and is gone when idle', async () => {
    const workDir = join(folder, 'idle');
    mkdirSync(workDir);
    const idle = createOutputDecoder({ sandbox, workDir, slot: 902, idleSeconds: 1 });
    expect(readdirSync(workDir)).toEqual([]);
    await idle.decode(picture('PNG-8-RGBA'), { ownerId: 'ann' });
    const [process] = readdirSync(workDir);
    await idle.decode(picture('PNG-8-RGB'), { ownerId: 'ann' });
    expect(readdirSync(workDir)).toEqual([process]);
    await idle.decode(picture('PNG-8-RGB'), { ownerId: 'bob' });
    expect(readdirSync(workDir)).toHaveLength(1);
    expect(readdirSync(workDir)).not.toEqual([process]);
    await until(() => readdirSync(workDir).length === 0);
    expect(await idle.decode(picture('PNG-8-RGB'))).toMatchObject({ width: 64 });
    await idle.close();
    expect(readdirSync(workDir)).toEqual([]);
  });

  it('decodes the same without a sandbox', async () => {
    const bare = createOutputDecoder({
      sandbox: { ...sandbox, level: 'none' },
      workDir: join(folder, 'work'),
      slot: 903,
    });
    try {
      for (const name of ['PNG-8-RGBA', 'OPEN_EXR_MULTILAYER-16-RGBA']) {
        expect(await bare.decode(picture(name))).toEqual(await decoder.decode(picture(name)));
      }
    } finally {
      await bare.close();
    }
  });
});

describe(findDecoderProblem.name, () => {
  it('finds none where pictures are decoded', async () => {
    expect(await findDecoderProblem({ sandbox, workDir: join(folder, 'work') })).toBeNull();
  });
});

describe(formatMismatch.name, () => {
  it('is silent where the picture is as asked, and says what differs', () => {
    expect(formatMismatch({ format: 'PNG', depth: 16 }, { type: 'PNG', depth: 16 })).toBeNull();
    expect(formatMismatch({ format: 'PNG', depth: 16 }, { type: 'PNG' })).toBeNull();
    expect(formatMismatch({ format: 'PNG', depth: 8 }, { type: 'PNG', depth: 16 })).toMatch(/16 bits .* has 8/);
    expect(formatMismatch({ format: 'JPEG', depth: 8 }, { type: 'PNG' })).toMatch(/PNG was asked .* is JPEG/);
  });
});

function picture(name: string): string {
  const found = readdirSync(pictures).find((file) => file.startsWith(`${name}.`));
  return join(pictures, found ?? `${name} was not written`);
}

function given(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function failure(path: string, kind: FailureKind): Promise<RenderFailure> {
  const error = await outcome(decoder.decode(path));
  if (!(error instanceof RenderFailure)) throw new Error(`${path} was not refused`, { cause: error });
  expect(error.kind).toBe(kind);
  return error;
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 30 s');
    await sleep(50);
  }
}

interface PngOptions {
  width: number;
  height: number;
  depth?: 8 | 16;
  isInterlaced?: boolean;
  text?: string;
}

/** A PNG of RGBA pixels; without pixels it claims its size and has nothing in it. */
function png(options: PngOptions & { pixels: Buffer | null }): Buffer {
  const { width, height, pixels } = options;
  if (!pixels) return pngOf(options, deflateSync(Buffer.alloc(1000)));
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.concat([Buffer.from([0]), pixels.subarray(row * width * 4, (row + 1) * width * 4)]),
  );
  return pngOf(options, deflateSync(Buffer.concat(rows)));
}

function pngOf(options: PngOptions, data: Buffer): Buffer {
  const { width, height, depth = 8, isInterlaced = false, text } = options;
  const chunk = (type: string, body: Buffer) => {
    const typed = Buffer.concat([Buffer.from(type), body]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    check.writeUInt32BE(crc32(typed));
    return Buffer.concat([length, typed, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, 6, 0, 0, isInterlaced ? 1 : 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...(text === undefined ? [] : [chunk('tEXt', Buffer.from(text))]),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const SAVE_EVERYTHING = `
import bpy, json, sys
folder, cases = sys.argv[-2], json.loads(sys.argv[-1])
scene = bpy.context.scene
render, image = scene.render, scene.render.image_settings
render.engine = 'CYCLES'
scene.cycles.samples = 1
scene.cycles.use_denoising = False
render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 36, 100
render.film_transparent = True
scene.view_layers[0].use_pass_z = True
scene.view_layers[0].use_pass_normal = True
bpy.ops.render.render()
for case in cases:
    image.file_format, image.color_mode, image.color_depth = case['format'], case['mode'], str(case['depth'])
    path = f"{folder}/{case['format']}-{case['depth']}-{case['mode']}{render.file_extension}"
    bpy.data.images['Render Result'].save_render(path, scene=scene)
scene.view_layers[0].use_pass_normal = False
render.use_multiview = True
for format in ('OPEN_EXR', 'OPEN_EXR_MULTILAYER'):
    image.file_format, image.color_mode, image.color_depth, image.views_format = format, 'RGBA', '32', 'MULTIVIEW'
    render.filepath = f'{folder}/stereo-{format}'
    bpy.ops.render.render(write_still=True)
`;
