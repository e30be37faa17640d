import { MAX_JOB_FRAMES, PictorError } from '@pictor/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatFrames, MAX_FRAME_NUMBER, parseFrames } from './index.ts';

describe(parseFrames.name, () => {
  it.each([
    ['7', [7]],
    ['0', [0]],
    ['-5', [-5]],
    ['1-4', [1, 2, 3, 4]],
    ['-5--1', [-5, -4, -3, -2, -1]],
    ['-2-1', [-2, -1, 0, 1]],
    ['1-10x3', [1, 4, 7, 10]],
    ['1-9X3', [1, 4, 7]],
    ['1-2x99', [1]],
    ['1,5,9-11', [1, 5, 9, 10, 11]],
    ['9-11,5,10,1,5', [1, 5, 9, 10, 11]],
    ['1-9x2,2-8x2', [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['  1 - 3 ,\t7 , 10 - 14 x 2 ', [1, 2, 3, 7, 10, 12, 14]],
    ['0001-0003', [1, 2, 3]],
    ['99999-100001', [99_999, 100_000, 100_001]],
    [`${MAX_FRAME_NUMBER}`, [MAX_FRAME_NUMBER]],
    [`-${MAX_FRAME_NUMBER}`, [-MAX_FRAME_NUMBER]],
  ])('reads %j', (text, frames) => {
    expect(parseFrames(text)).toEqual(frames);
  });

  it.each(['', '  ', '\t\n'])('refuses %j as naming no frame', (text) => {
    expect(refusal(text)).toMatchObject({ code: 'frames-empty', message: expect.stringContaining('1-250') });
  });

  it.each([
    ['20-9', '9-20'],
    ['-1--5', '-5--1'],
    ['1,20-9x3', '9-20x3'],
  ])('refuses %j as an empty range and says what to write', (text, instead) => {
    expect(refusal(text)).toMatchObject({
      code: 'frames-empty',
      message: expect.stringContaining(`Write ${instead}.`),
    });
  });

  it.each([
    'a',
    '1-',
    '-',
    '--1',
    '1--',
    '1-5x',
    '1-5x-2',
    '1-5x0',
    '5x2',
    '1,',
    ',',
    '1,,2',
    '1.5',
    '1e3',
    '1-2-3',
    '٣',
    '+3',
    '0x10',
  ])('refuses %j as malformed and shows what to write', (text) => {
    const error = refusal(text);
    expect(error.code).toBe('frames-malformed');
    expect(error.message).toMatch(/Write /);
  });

  it.each([
    ['1..250', '1-250'],
    ['1:250', '1-250'],
    ['1–250', '1-250'],
    ['1 5 9', '1,5,9'],
    ['1;5;9-12;', '1,5,9-12'],
  ])('guesses what %j means', (text, guess) => {
    expect(refusal(text).message).toContain(`Did you mean ${guess}?`);
  });

  it.each([
    '1-100000000',
    '1-100000000x2',
    '0-9007199254740993',
    '1-100001',
    '1-100000,100002',
    `${'1-99999,'.repeat(900)}200000-299999`,
  ])('refuses too many frames: %s', (text) => {
    const error = refusal(text);
    expect(error.code).toBe('frames-too-many');
    expect(error.message).toContain(String(MAX_JOB_FRAMES));
    expect(error.message.length).toBeLessThan(400);
  });

  it.each(['1048575', '-1048575', '1048570-1048580', '99999999999999999999'])(
    'refuses frames Blender does not have: %s',
    (text) => {
      expect(refusal(text)).toMatchObject({ code: 'frames-malformed', message: expect.stringContaining('1048574') });
    },
  );

  it('takes as many frames as one job may have', () => {
    expect(parseFrames('1-100000')).toHaveLength(MAX_JOB_FRAMES);
    expect(parseFrames('1-100000,5,1-50000x2')).toHaveLength(MAX_JOB_FRAMES);
  });

  it('reads back whatever formatFrames writes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -300, max: 300 }), { minLength: 1 }), (frames) => {
        expect(parseFrames(formatFrames(frames))).toEqual([...new Set(frames)].sort((a, b) => a - b));
      }),
    );
  });

  it('gives ascending frames without doubles, or a refusal, for any text', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'0123456789-,x '.split('')), maxLength: 24 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const frames = parseFrames(text);
          expect(frames.length).toBeGreaterThan(0);
          frames.forEach((frame, index) => {
            if (index > 0 && frame <= (frames[index - 1] as number)) throw new Error(`not ascending: ${frames}`);
          });
        } catch (error) {
          if (!(error instanceof PictorError)) throw error;
          expect(error.code).toMatch(/^frames-(malformed|empty|too-many)$/);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function refusal(text: string): PictorError {
  try {
    parseFrames(text);
  } catch (error) {
    if (error instanceof PictorError) return error;
  }
  throw new Error(`${text} was not refused`);
}
