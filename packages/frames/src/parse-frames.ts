import { MAX_JOB_FRAMES, PictorError } from '@pictor/protocol';

/** Blender's own bound: frames are -1048574 … 1048574. */
export const MAX_FRAME_NUMBER = 1_048_574;

const RANGE = /^(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*[xX]\s*(\d+))?)?$/;
const SYNTAX = 'Write frames like 7, 1-250, 1-250x2 (every second one) or 1,5,9-20';

/**
 * Reads frames such as `1-250`, `1-250x2`, `1,5,9-20`, `-5--1`. Returns their numbers ascending, each once.
 * Takes constant memory however large the ranges are, and refuses more than MAX_JOB_FRAMES frames before it lists them.
 *
 * @throws PictorError `frames-malformed`, `frames-empty`, `frames-too-many`
 */
export function parseFrames(text: string): number[] {
  if (text.trim() === '') {
    throw new PictorError('frames-empty', `No frames were given. ${SYNTAX}.`);
  }
  const wanted = new Uint8Array(2 * MAX_FRAME_NUMBER + 1);
  for (const part of text.split(',')) {
    const range = readRange(part.trim(), text);
    const from = range.first + MAX_FRAME_NUMBER;
    const to = range.last + MAX_FRAME_NUMBER;
    // Ranges of step 1 may overlap thousands of times in one text: filling keeps that cheap.
    if (range.step === 1) wanted.fill(1, from, to + 1);
    else for (let index = from; index <= to; index += range.step) wanted[index] = 1;
  }
  const frames: number[] = [];
  for (let index = wanted.indexOf(1); index !== -1; index = wanted.indexOf(1, index + 1)) {
    if (frames.length === MAX_JOB_FRAMES) throw tooMany(text);
    frames.push(index - MAX_FRAME_NUMBER);
  }
  return frames;
}

function readRange(part: string, text: string): { first: number; last: number; step: number } {
  const match = RANGE.exec(part);
  if (!match) throw malformed(part, text);
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  const step = match[3] === undefined ? 1 : Number(match[3]);
  if (step < 1) {
    throw new PictorError(
      'frames-malformed',
      `The frames ${quote(part)} have a step of 0. Write x2 for every second frame, or leave the step out.`,
    );
  }
  if (last < first) {
    const step = match[3] === undefined ? '' : `x${match[3]}`;
    throw new PictorError(
      'frames-empty',
      `The frames ${quote(part)} end before they begin, so there is none to render. Write ${last}-${first}${step}.`,
    );
  }
  if (Math.floor((last - first) / step) + 1 > MAX_JOB_FRAMES) throw tooMany(text);
  for (const number of [first, last]) {
    if (Math.abs(number) > MAX_FRAME_NUMBER) {
      throw new PictorError(
        'frames-malformed',
        `Blender has no frame ${number} (in ${quote(part)}): its frames are -${MAX_FRAME_NUMBER} to ${MAX_FRAME_NUMBER}. Write a smaller number.`,
      );
    }
  }
  return { first, last, step };
}

function malformed(part: string, text: string): PictorError {
  const named =
    part === '' ? `${quote(text)} has nothing between two commas` : `${quote(part)} is not a frame or a range`;
  const guess = guessOf(text);
  return new PictorError('frames-malformed', `Frames: ${named}. ${guess ? `Did you mean ${guess}? ` : ''}${SYNTAX}.`);
}

/** The text with the separators of other programs put right, or null where that does not help. */
function guessOf(text: string): string | null {
  if (text.length > 200) return null;
  const guess = text
    .replace(/\.{2,}|[:–—]/g, '-')
    .replace(/[;\s]+/g, ',')
    .replace(/,+/g, ',')
    .replace(/^,|,$/g, '');
  return guess !== text && guess.split(',').every((part) => RANGE.test(part)) ? guess : null;
}

function tooMany(text: string): PictorError {
  return new PictorError(
    'frames-too-many',
    `The frames ${quote(text)} are more than ${MAX_JOB_FRAMES}, the most one job may have. Render a smaller range, or several jobs.`,
    { details: { maxFrames: MAX_JOB_FRAMES } },
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
