import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration } from './format-quantities.ts';

describe(formatDuration, () => {
  it.each([
    [0, '0 ms'],
    [0.0284, '28 ms'],
    [0.9996, '1.0 s'],
    [4.21, '4.2 s'],
    [59.99, '1:00 min'],
    [75, '1:15 min'],
    [3599.7, '1:00 h'],
    [7500, '2:05 h'],
  ])('writes %d seconds as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe(formatBytes, () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [2 * 1024 ** 3, '2.0 GiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
