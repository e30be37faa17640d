/** Waits that double from `firstMs` to `longestMs`, each shortened at random by up to half, so that agents do not come back in step. */
export interface Backoff {
  nextMs(): number;
  reset(): void;
}

export function createBackoff(firstMs: number, longestMs: number): Backoff {
  let attempt = 0;
  return {
    nextMs() {
      const whole = Math.min(longestMs, firstMs * 2 ** attempt);
      attempt = Math.min(attempt + 1, 30);
      return whole * (0.5 + Math.random() / 2);
    },
    reset() {
      attempt = 0;
    },
  };
}
