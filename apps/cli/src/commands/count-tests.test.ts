import { describe, expect, it } from 'vitest';
import { countTests, formatCounts } from './count-tests.ts';

const report = (passed: number, failed: number, skipped: number, brokenFiles = 0) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: skipped,
  numTodoTests: 0,
  testResults: Array.from({ length: brokenFiles }, () => ({ status: 'failed', assertionResults: [] })),
});

describe(countTests, () => {
  it('counts a file that failed before its first test as a failure', () => {
    expect(countTests(report(3, 0, 0, 1), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
  });

  it('counts a run that failed although no test did as a failure', () => {
    expect(countTests(report(3, 0, 0), 1).failed).toBe(1);
  });

  it('counts a run without a report as a failure', () => {
    expect(countTests(null, 0).failed).toBe(1);
  });
});

describe(formatCounts, () => {
  it.each([
    [report(12, 0, 0), '12 passed, 0 failed'],
    [report(12, 1, 2), '12 passed, 1 failed, 2 skipped'],
  ])('writes the closing line %#', (vitest, line) => {
    expect(formatCounts(countTests(vitest, 0))).toBe(line);
  });
});
