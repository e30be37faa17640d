import { describe, expect, it } from 'vitest';
import { FAILURES, FailureKind } from './index.ts';

describe('FAILURES', () => {
  it.each(Object.entries(FAILURES))('%s says whose fault it is, in a sentence', (kind, { fault, sentence }) => {
    expect(FailureKind.parse(kind)).toBe(kind);
    expect(['scene', 'worker', 'network']).toContain(fault);
    expect(sentence).toMatch(/^[A-Z].*\.$/);
  });

  it('lets another worker try whatever was not the fault of the scene', () => {
    const others = Object.values(FAILURES).filter(({ fault }) => fault !== 'scene');
    expect(others.every(({ retryElsewhere }) => retryElsewhere)).toBe(true);
  });

  it('is a closed list', () => {
    expect(FailureKind.safeParse('bad-luck').success).toBe(false);
    expect(FailureKind.safeParse('toString').success).toBe(false);
  });
});
