import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, createGzip, gzipSync, zstdCompressSync } from 'node:zlib';
import { PictorError } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBlendFile } from './index.ts';

const sharedScenes = join(import.meta.dirname, '../../../../shared/scenes');
const folder = mkdtempSync(join(tmpdir(), 'pictor-blend-'));
const plain = join(folder, 'plain.blend');
const zstd = join(folder, 'zstd.blend');

beforeAll(() => {
  const script = `import bpy\nfor compress, path in ((False, ${JSON.stringify(plain)}), (True, ${JSON.stringify(zstd)})):\n  bpy.ops.wm.save_as_mainfile(filepath=path, compress=compress)`;
  execFileSync('blender', ['-b', '--factory-startup', '--python-exit-code', '1', '--python-expr', script], {
    stdio: 'pipe',
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe(checkBlendFile.name, () => {
  it('reads a file that Blender wrote, to its end', async () => {
    const check = await checkBlendFile(plain);
    expect(check).toMatchObject({
      header: { compression: 'none', pointerBytes: 8, littleEndian: true },
      sizeBytes: statSync(plain).size,
      completeness: 'whole',
    });
    expect(execFileSync('blender', ['--version'], { encoding: 'utf8' })).toContain(`Blender ${check.header.version}.`);
  });

  it('reads the same from Blender’s own compression (zstd, many frames) and from gzip', async () => {
    const { header } = await checkBlendFile(plain);
    expect(await checkBlendFile(zstd)).toMatchObject({
      header: { ...header, compression: 'zstd' },
      completeness: 'whole',
    });
    const gzip = given('gzip.blend', gzipSync(readFileSync(plain)));
    expect(await checkBlendFile(gzip)).toMatchObject({
      header: { ...header, compression: 'gzip' },
      completeness: 'whole',
    });
  });

  it.each([0.1, 0.5, 0.9, 0.999, 0.9999])(
    'refuses plain, gzip and zstd files cut after %d of their bytes',
    async (share) => {
      const files = { plain: readFileSync(plain), gzip: gzipSync(readFileSync(plain)), zstd: readFileSync(zstd) };
      for (const [kind, bytes] of Object.entries(files)) {
        const error = await refusal(given(`cut-${kind}.blend`, bytes.subarray(0, Math.floor(bytes.length * share))));
        expect(error.code).toBe('blend-truncated');
        expect(error.message).toContain(`cut-${kind}.blend`);
      }
    },
  );

  it('refuses a file cut between two blocks, and one whose block claims a negative length', async () => {
    const bytes = readFileSync(plain);
    const firstBlockEnd = 12 + 24 + bytes.readInt32LE(16);
    expect((await refusal(given('cut.blend', bytes.subarray(0, firstBlockEnd)))).message).toMatch(
      /without its closing block/,
    );
    bytes.writeInt32LE(-24, 16);
    expect(await refusal(given('negative.blend', bytes))).toMatchObject({ code: 'blend-truncated' });
  });

  it.each(['B', 'BLENDER', 'BLENDER-v3', 'BLENDER17-01v05'])(
    'calls a file that holds only %s truncated',
    async (text) => {
      expect(await refusal(given('short.blend', Buffer.from(text)))).toMatchObject({ code: 'blend-truncated' });
    },
  );

  it('refuses an empty file', async () => {
    expect(await refusal(given('empty.blend', Buffer.alloc(0)))).toMatchObject({
      code: 'blend-empty',
      message: expect.stringContaining('empty.blend'),
    });
  });

  it.each([
    ['just some words', /text/],
    ['PK\u0003\u0004 and more', /ZIP archive.*Unpack/],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00', /git lfs pull/],
    ['<!doctype html><title>404</title>', /web page/],
    ['BLENDERQv304 and more than a header', /update Pictor/],
    ['\u0000\u0001\u0002 binary', /does not begin with BLENDER/],
  ])('refuses what is not a .blend and says what it seems to be: %j', async (text, message) => {
    const error = await refusal(given('wrong.blend', Buffer.from(text)));
    expect(error.code).toBe('not-a-blend');
    expect(error.message).toMatch(message);
  });

  it('refuses compressed files that hold something else', async () => {
    for (const bytes of [gzipSync('hello, this is text'), zstdCompressSync('hello, this is text')]) {
      expect(await refusal(given('wrong.blend', bytes))).toMatchObject({ code: 'not-a-blend' });
    }
    const garbage = Buffer.concat([gzipSync('x').subarray(0, 10), Buffer.alloc(200, 0xff)]);
    expect(await refusal(given('garbage.blend', garbage))).toMatchObject({ code: 'blend-truncated' });
  });

  it('names what is there instead of a file: nothing, a folder, a FIFO', async () => {
    mkdirSync(join(folder, 'folder.blend'));
    execFileSync('mkfifo', [join(folder, 'fifo.blend')]);
    expect((await refusal(join(folder, 'nothing.blend'))).message).toMatch(/nothing\.blend.*does not exist/);
    expect((await refusal(join(folder, 'folder.blend'))).message).toMatch(/folder\.blend is a folder/);
    expect((await refusal(join(folder, 'fifo.blend'))).message).toMatch(/fifo\.blend is a device or pipe/);
  });

  it('reads the header of a decompression bomb and unfolds no more than its bound', async () => {
    const zeros = Buffer.alloc(8 * 1024 * 1024);
    const gzip = createGzip({ level: constants.Z_BEST_COMPRESSION });
    const chunks: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
    const done = new Promise((resolve) => gzip.once('end', resolve));
    // One block of 2 GiB - 1 that is all zeros: 240 MB, 240 KB compressed.
    gzip.write(Buffer.from('BLENDER-v304DATA\xff\xff\xff\x7f', 'latin1'));
    for (let count = 0; count < 30; count++) {
      if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once('drain', resolve));
    }
    gzip.end();
    await done;
    const bomb = given('bomb.blend', Buffer.concat(chunks));
    const before = process.memoryUsage().rss;
    expect(await checkBlendFile(bomb)).toMatchObject({ header: { version: '3.4' }, completeness: 'unchecked' });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('reads the header of Blender 5 and walks its wide blocks', async () => {
    const block = (code: string, length: number) => {
      const head = Buffer.alloc(32);
      head.write(code, 'latin1');
      head.writeBigInt64LE(BigInt(length), 16);
      return Buffer.concat([head, Buffer.alloc(length, 7)]);
    };
    const bytes = Buffer.concat([
      Buffer.from('BLENDER17-01v0502'),
      block('REND', 72),
      block('DATA', 100_000),
      block('ENDB', 0),
    ]);
    expect(await checkBlendFile(given('five.blend', bytes))).toEqual({
      header: {
        version: '5.2',
        major: 5,
        minor: 2,
        compression: 'none',
        pointerBytes: 8,
        littleEndian: true,
        headerFormat: 1,
        headerBytes: 17,
      },
      sizeBytes: bytes.length,
      completeness: 'whole',
    });
    expect(await refusal(given('five-cut.blend', bytes.subarray(0, -40)))).toMatchObject({ code: 'blend-truncated' });
  });

  it('reads old headers: 4-byte pointers, big-endian', async () => {
    const end = Buffer.alloc(20);
    end.write('ENDB');
    const block = Buffer.alloc(24);
    block.write('DATA');
    block.writeInt32BE(4, 4);
    const bytes = Buffer.concat([Buffer.from('BLENDER_V249'), block, end]);
    expect(await checkBlendFile(given('old.blend', bytes))).toMatchObject({
      header: { version: '2.49', pointerBytes: 4, littleEndian: false },
      completeness: 'whole',
    });
  });

  it.skipIf(!existsSync(sharedScenes))(
    'reads every real project, 2.76 to 5.2 (skipped where ../shared/scenes is absent)',
    async () => {
      const versions: Record<string, string> = {};
      for (const file of globSync('**/*.blend', { cwd: sharedScenes })) {
        const { header, completeness } = await checkBlendFile(join(sharedScenes, file));
        expect(completeness).toBe('whole');
        versions[file.split('/').at(-1) as string] = `${header.version} ${header.compression}`;
      }
      expect(versions).toMatchObject({
        'bmw27_cpu.blend': '2.76 gzip',
        'moving-cube.blend': '2.82 none',
        '12_anim_range_driver.blend': '3.3 none',
        '00_extras.blend': '5.2 zstd',
      });
    },
  );
});

function given(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function refusal(path: string): Promise<PictorError> {
  const outcome = await checkBlendFile(path).catch((error: unknown) => error);
  if (outcome instanceof PictorError) return outcome;
  throw new Error(`${path} was not refused: ${JSON.stringify(outcome)}`, { cause: outcome });
}
