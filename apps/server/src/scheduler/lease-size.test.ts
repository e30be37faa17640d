import { describe, expect, it } from 'vitest';
import { leaseSize } from './lease-size.ts';

const size = (overrides: Partial<Parameters<typeof leaseSize>[0]>) =>
  leaseSize({
    ...{ framesLeft: 1000, devices: 4, frameSeconds: null, framesPerNode: null, isSequential: false },
    ...overrides,
  });

describe(leaseSize.name, () => {
  it('is one frame until frames were measured', () => {
    expect(size({})).toBe(1);
    expect(size({ framesLeft: 0 })).toBe(0);
  });

  it('aims at 90 seconds of work, at one frame at least', () => {
    expect(size({ frameSeconds: 1 })).toBe(90);
    expect(size({ frameSeconds: 40 })).toBe(2);
    expect(size({ frameSeconds: 600 })).toBe(1);
  });

  it('is never more than the rest of the job over its devices', () => {
    expect(size({ frameSeconds: 1, framesLeft: 10 })).toBe(3);
    expect(size({ frameSeconds: 0, framesLeft: 100_000, devices: 1 })).toBe(1000);
  });

  it('is what the creator asked for, and everything for a sequence', () => {
    expect(size({ frameSeconds: 1, framesPerNode: 7 })).toBe(7);
    expect(size({ framesPerNode: 7, framesLeft: 3 })).toBe(3);
    expect(size({ isSequential: true, framesPerNode: 7 })).toBe(1000);
  });
});
