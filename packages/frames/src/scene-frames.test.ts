import { describe, expect, it } from 'vitest';
import { frameFileName, sceneFrames } from './index.ts';

describe(sceneFrames.name, () => {
  it('lists the scene’s range with its step', () => {
    expect(sceneFrames({ frameStart: 0, frameEnd: 9, frameStep: 4 })).toEqual([0, 4, 8]);
    expect(sceneFrames({ frameStart: 5, frameEnd: 5, frameStep: 100 })).toEqual([5]);
  });

  it('refuses a range that ends before it begins, naming it', () => {
    expect(() => sceneFrames({ frameStart: 10, frameEnd: 5, frameStep: 1 })).toThrow(/10 to 5 is empty/);
  });
});

describe(frameFileName.name, () => {
  it.each([
    [0, '0000'],
    [7, '0007'],
    [12_345, '12345'],
    [-5, '-0005'],
    [-12_345, '-12345'],
  ])('names frame %d as Blender does: %s', (frame, name) => {
    expect(frameFileName(frame)).toBe(name);
  });
});
