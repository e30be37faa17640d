import { expect, test } from 'vitest';
import { MemoryGrowth } from './memory-growth.ts';

const GIB = 1024 ** 3;

test('what the first frames load is no growth, what comes on top without end is', () => {
  const growth = new MemoryGrowth();
  expect([1, 4, 4.5, 5.5, 6.1].map((gib) => growth.isOutgrownBy(gib * GIB))).toEqual([
    false,
    false,
    false,
    false,
    true,
  ]);
});

test('a small scene may grow by a GiB', () => {
  const growth = new MemoryGrowth();
  expect([0.1, 0.1, 0.9, 1.2].map((gib) => growth.isOutgrownBy(gib * GIB))).toEqual([false, false, false, true]);
});
