/**
 * Writes frames as the shortest list of frames and ranges in ascending order: `[1, 2, 3, 5, 7, 9]` → `1-3,5-9x2`.
 * `parseFrames` reads it back. Expects whole numbers; order and doubles do not matter.
 */
export function formatFrames(frames: readonly number[]): string {
  const sorted = [...new Set(frames)].sort((a, b) => a - b);
  return shortestParts(sorted).join(',');
}

/** best[i] is the shortest way to write the first i frames: its length, and where its last part begins. */
function shortestParts(sorted: readonly number[]): string[] {
  const best: { length: number; parts: number; from: number }[] = [{ length: 0, parts: 0, from: 0 }];
  let runFrom = 0;
  for (let end = 1; end <= sorted.length; end++) {
    const isRun = end < 3 || stepAt(sorted, end - 1) === stepAt(sorted, end - 2);
    if (!isRun) runFrom = end - 2;
    // A part need only begin at its run's first three frames (the first may belong to the run before it) or stand alone.
    let choice: { length: number; parts: number; from: number } | undefined;
    for (const from of new Set([runFrom, runFrom + 1, runFrom + 2, end - 1])) {
      const before = best[from];
      if (from >= end || !before) continue;
      const length = before.length + part(sorted, from, end).length + 1;
      const parts = before.parts + 1;
      if (!choice || length < choice.length || (length === choice.length && parts <= choice.parts)) {
        choice = { length, parts, from };
      }
    }
    best.push(choice as { length: number; parts: number; from: number });
  }
  const parts: string[] = [];
  for (let end = sorted.length; end > 0; end = best[end]?.from ?? 0) {
    parts.push(part(sorted, best[end]?.from ?? 0, end));
  }
  return parts.reverse();
}

/** Distance of a frame from the one before it. */
function stepAt(sorted: readonly number[], index: number): number {
  return (sorted[index] as number) - (sorted[index - 1] as number);
}

/** The frames from `from` up to `end` (exclusive), which are evenly spaced, as one part. */
function part(sorted: readonly number[], from: number, end: number): string {
  const first = sorted[from] as number;
  if (end - from === 1) return `${first}`;
  const step = stepAt(sorted, from + 1);
  return `${first}-${sorted[end - 1]}${step === 1 ? '' : `x${step}`}`;
}
