/** One thing that is measured: `run` does it once and resolves with seconds. */
export interface Row {
  name: string;
  run: () => Promise<number>;
}

export interface Measured {
  name: string;
  seconds: number[];
}

/**
 * Runs every row once per round, in turn (A B C, A B C, …), so that a machine whose speed drifts treats them alike.
 * @returns the rows in their order, with one figure a round
 */
export async function runRounds(rows: Row[], rounds: number, say: (line: string) => void): Promise<Measured[]> {
  const measured = rows.map((row) => ({ name: row.name, seconds: [] as number[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const [index, row] of rows.entries()) {
      const seconds = await row.run();
      measured[index]?.seconds.push(seconds);
      say(`round ${round}/${rounds}  ${row.name}: ${seconds.toFixed(2)} s`);
    }
  }
  return measured;
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Median of the ratios `a / b`, taken round by round: what drifts between rounds cancels out. */
export function pairedRatio(a: Measured, b: Measured): number {
  return median(a.seconds.map((value, round) => value / (b.seconds[round] ?? Number.NaN)));
}

/** `7.71 (7.60–8.02)`: median and range. */
export function spread(values: number[], digits = 2): string {
  return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
}
