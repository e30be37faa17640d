import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { BlenderLog, type RenderStatus, renderedFraction } from './blender-log.ts';

const FRAME = 'Fra:7 Mem:9.40M (Peak 10.83M) | Time:00:00.03 | Mem:0.00M, Peak:0.00M | Scene, ViewLayer |';

async function followed(lines: string[]): Promise<{ log: BlenderLog; statuses: RenderStatus[] }> {
  const log = new BlenderLog();
  const stream = new PassThrough();
  const statuses: RenderStatus[] = [];
  log.startFrame((status) => statuses.push(status));
  log.follow(stream);
  stream.end(lines.map((line) => `${line}\n`).join(''));
  await new Promise((resolve) => stream.on('end', resolve));
  return { log, statuses };
}

describe('what Blender prints', () => {
  test('says the phase and the samples of a frame', async () => {
    const { statuses } = await followed([
      `${FRAME} Synchronizing object | Cube`,
      `${FRAME} Sample 0/64`,
      `${FRAME} Sample 16/64`,
      `${FRAME} Finished`,
    ]);
    expect(statuses.map(({ phase }) => phase)).toEqual(['syncing', 'rendering', 'rendering', 'writing']);
    expect(statuses.map((status) => renderedFraction(status, 1))).toEqual([0, 0, 0.25, 0.25]);
  });

  test('counts the view layers that are done', async () => {
    const { statuses } = await followed([`${FRAME} Sample 64/64`, `${FRAME} Sample 32/64`]);
    expect(statuses.map((status) => renderedFraction(status, 2))).toEqual([0.5, 0.75]);
  });

  test('reads the samples of EEVEE', async () => {
    const { statuses } = await followed(['Fra:1 Mem:10.77M (Peak 11.89M) | Time:00:01.85 | Rendering 1 / 4 samples']);
    expect(statuses[0]?.samples).toEqual({ done: 1, total: 4 });
  });

  test('keeps the last lines, without statistics, whatever a scene prints', async () => {
    const noise = Array.from({ length: 3000 }, (_, index) => `${index} ${'x'.repeat(100)}`);
    const { log } = await followed([...noise, `${FRAME} Sample 1/2`, 'y'.repeat(1_000_000), 'Error: the last word']);
    expect(log.text.endsWith('Error: the last word')).toBe(true);
    expect(log.text).not.toContain('Fra:');
    expect(log.text.length).toBeLessThan(65_536);
  });

  test('never counts beyond the whole', async () => {
    const { statuses } = await followed([`${FRAME} Sample 999999999/1`, `${FRAME} Sample 0/0`]);
    for (const status of statuses) expect(renderedFraction(status, 1)).toBeLessThanOrEqual(1);
  });
});
