import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatFrames } from './index.ts';

describe(formatFrames.name, () => {
  it.each([
    [[], ''],
    [[0], '0'],
    [[1, 2], '1-2'],
    [[3, 1, 2, 2], '1-3'],
    [[1, 3, 5, 7], '1-7x2'],
    [[1, 3, 4, 5, 6], '1,3-6'],
    [[1, 2, 3, 5, 7, 9], '1-3,5-9x2'],
    [[-5, -4, -3, -2, -1], '-5--1'],
    [[1, 5, 9, 10, 11, 12], '1,5,9-12'],
    [[1, 100], '1,100'],
  ])('writes %j', (frames, text) => {
    expect(formatFrames(frames)).toBe(text);
  });

  it('writes no longer text than the shortest ascending list of parts', () => {
    const sets = fc.uniqueArray(fc.integer({ min: -8, max: 14 }), { minLength: 1, maxLength: 14 });
    fc.assert(
      fc.property(sets, (frames) => {
        const sorted = [...frames].sort((a, b) => a - b);
        expect(formatFrames(frames).length).toBe(shortestLength(sorted));
      }),
      { numRuns: 2000 },
    );
  });

  it('writes a hundred thousand scattered frames', () => {
    const frames = Array.from({ length: 100_000 }, (_, index) => index * 3 + ((index * 7919) % 2));
    expect(formatFrames(frames).split(',').length).toBeGreaterThan(1000);
  });
});

/** By trying every way to cut the frames into evenly spaced parts. */
function shortestLength(sorted: number[]): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let end = 1; end <= sorted.length; end++) {
    const step = (sorted[1] ?? 0) - (sorted[0] ?? 0);
    if (end > 1 && (sorted[end - 1] as number) - (sorted[end - 2] as number) !== step) break;
    const range = `${sorted[0]}-${sorted[end - 1]}${step === 1 ? '' : `x${step}`}`;
    const head = end === 1 ? `${sorted[0]}` : range;
    const rest = end === sorted.length ? 0 : 1 + shortestLength(sorted.slice(end));
    shortest = Math.min(shortest, head.length + rest);
  }
  return shortest;
}
