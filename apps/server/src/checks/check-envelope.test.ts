import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFolderStore, type ObjectStore } from '../assets/index.ts';
import type { DeliveredFrame } from '../frames/index.ts';
import { fileOf, sha256 } from '../testing/test-app.ts';
import { checkEnvelope } from './check-envelope.ts';

let directory: string;
let store: ObjectStore;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  store = await createFolderStore(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function check(
  bytes: Buffer,
  expected: Partial<DeliveredFrame['expected']> = {},
  kind: 'picture' | 'file-output' = 'picture',
): Promise<string | null> {
  await store.writeChunk(
    sha256(bytes),
    (async function* () {
      yield bytes;
    })(),
  );
  const outputs = [{ ...fileOf('0001.png', bytes), kind, width: 64, height: 36 }];
  return checkEnvelope(store, {
    ...{ jobId: 'job_00000000' as DeliveredFrame['jobId'], frameId: 'frm', attemptId: 'att', number: 1, outputs },
    expected: { pictures: 1, format: 'PNG', maxWidth: 64, maxHeight: 36, ...expected },
  });
}
const hex = (text: string) => Buffer.from(text, 'hex');

describe(checkEnvelope.name, () => {
  it('finds nothing wrong with a file that begins as its format does and is not too large', async () => {
    expect(await check(hex('89504e470d0a1a0a00'))).toBeNull();
    expect(await check(hex('ffd8ffe0'), { format: 'JPEG' })).toBeNull();
    expect(await check(hex('762f310102'), { format: 'OPEN_EXR_MULTILAYER' })).toBeNull();
    expect(await check(hex('4d4d002a'), { format: 'TIFF' })).toBeNull();
    expect(await check(Buffer.from('RIFF....WEBPVP8 '), { format: 'WEBP' })).toBeNull();
    expect(await check(Buffer.from('anything'), { format: null, maxWidth: null, maxHeight: null })).toBeNull();
  });

  it('says what is wrong: another format, a file too short, too many pixels, no picture', async () => {
    expect(await check(hex('ffd8ffe0'))).toBe('0001.png does not begin as a PNG file');
    expect(await check(hex('89'))).toBe('0001.png does not begin as a PNG file');
    expect(await check(Buffer.from('RIFF....WAVEfmt '), { format: 'WEBP' })).toContain('WEBP');
    expect(await check(hex('89504e470d0a1a0a00'), { maxWidth: 32 })).toBe(
      '0001.png has 64×36 pixels, 32×36 were asked for',
    );
    expect(await check(hex('89504e470d0a1a0a00'), {}, 'file-output')).toBe(
      '0 pictures were delivered, 1 were expected',
    );
  });
});
