import { PictorError } from '@pictor/protocol';
import { describe, expect, it } from 'vitest';
import { readRenderOptions } from './render-options.ts';

const read = (options: Partial<Parameters<typeof readRenderOptions>[0]>) => readRenderOptions({ out: 'x', ...options });

const codeOf = (options: Partial<Parameters<typeof readRenderOptions>[0]>) => {
  try {
    read(options);
    return null;
  } catch (error) {
    return error instanceof PictorError ? error.code : error;
  }
};

describe(readRenderOptions, () => {
  it.each([
    ['50%', { percent: 50 }],
    ['1920x1080', { width: 1920, height: 1080 }],
  ])('reads the resolution %s', (resolution, expected) => {
    expect(read({ resolution }).settings.resolution).toEqual(expected);
  });

  it('bakes or plays in order, never both', () => {
    expect(read({ bake: true })).toMatchObject({ bake: true, sequential: false });
    expect(codeOf({ bake: true, sequential: true })).toBe('settings-invalid');
  });

  it.each(['0%', '5000%', '1920', '1920x', '0x0', '99999999x1', 'HD', ''])(
    'refuses the resolution %j',
    (resolution) => {
      expect(codeOf({ resolution })).toBe('settings-invalid');
    },
  );

  it.each([
    ['png', { type: 'PNG' }],
    ['PNG:16', { type: 'PNG', depth: 16 }],
    ['openexr:32', { type: 'OPEN_EXR', depth: 32 }],
    ['multilayer', { type: 'OPEN_EXR_MULTILAYER' }],
    ['webp', { type: 'WEBP' }],
  ])('reads the format %s', (format, expected) => {
    expect(read({ format }).settings.format).toEqual(expected);
  });

  it.each(['bmp', 'png:32', 'jpeg:16', 'png:', 'png:16:8', 'constructor', ''])('refuses the format %j', (format) => {
    expect(codeOf({ format })).toBe('settings-invalid');
  });

  it.each([
    ['engine', 'Cycles', 'CYCLES'],
    ['device', 'gpu+cpu', 'GPU+CPU'],
  ] as const)('reads --%s %s', (option, given, expected) => {
    expect(read({ [option]: given }).settings[option]).toBe(expected);
  });

  it.each([
    { engine: 'luxrender' },
    { engine: '__proto__' },
    { device: 'tpu' },
    { samples: '0' },
    { samples: '-4' },
    { samples: '1e9' },
    { framesPerNode: 'many' },
    { denoiser: 'on' },
    { timeoutStop: '0' },
    { timeoutAlert: 'soon' },
    { memoryLimit: '-1' },
    { memoryLimit: '8GB' },
  ])('refuses %j', (options) => {
    expect(codeOf(options)).toBe('settings-invalid');
  });

  it('reads timeouts in minutes and memory in gigabytes', () => {
    const order = read({ timeoutAlert: '0.5', timeoutStop: '10', memoryLimit: '1.5' });
    expect(order.timeouts).toEqual({ alertSeconds: 30, analysisSeconds: undefined, stopSeconds: 600 });
    expect(order.memoryLimitBytes).toBe(1.5 * 1024 ** 3);
  });

  it.each([
    ['', 'frames-empty'],
    ['8-1', 'frames-empty'],
    ['one', 'frames-malformed'],
    ['1-100000000', 'frames-too-many'],
  ])('refuses the frames %j', (frames, code) => {
    expect(codeOf({ frames })).toBe(code);
  });
});
