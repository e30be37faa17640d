import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, PictorError } from './index.ts';

describe('ERRORS', () => {
  it.each(Object.entries(ERRORS))(
    '%s has a status of HTTP and an exit code that fail',
    (code, { status, exitCode }) => {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect([1, 2]).toContain(exitCode);
    },
  );

  it('ends the command line with 2 for every kind of bad input', () => {
    const badInput: ErrorCode[] = [
      'not-a-blend',
      'blend-empty',
      'blend-truncated',
      'blend-too-new',
      'no-camera',
      'frames-empty',
      'frames-malformed',
      'frames-too-many',
      'missing-files',
      'no-agent-for-job',
      'denoiser-unavailable',
      'path-invalid',
      'path-outside-project',
      'file-not-found',
      'history-dependent',
      'settings-invalid',
      'agent-refused',
      'usage',
      'validation',
    ];
    expect(badInput.filter((code) => ERRORS[code].exitCode !== 2)).toEqual([]);
  });

  it('ends it with 1 where the network or the machine is at fault', () => {
    const ofServer = Object.entries(ERRORS).filter(([, { status }]) => status >= 500);
    expect(ofServer.filter(([, { exitCode }]) => exitCode !== 1)).toEqual([]);
  });
});

describe(PictorError.name, () => {
  it('carries its code, facts and cause', () => {
    const cause = new Error('why');
    const error = new PictorError('missing-files', 'wood.png is missing', {
      details: { missing: ['wood.png'] },
      cause,
    });
    expect(error).toMatchObject({
      name: 'PictorError',
      code: 'missing-files',
      message: 'wood.png is missing',
      details: { missing: ['wood.png'] },
    });
    expect(error.cause).toBe(cause);
    expect(new PictorError('internal', 'x').details).toEqual({});
  });
});
