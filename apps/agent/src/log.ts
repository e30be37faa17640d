/** Writes one line of JSON to stderr. `message` is a fact in the past tense or a sentence for people. */
export function log(level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown> = {}): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...details })}\n`);
}

/** The text of anything that was thrown, for log lines and messages. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
