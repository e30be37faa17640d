/**
 * The registry of refusals: code → HTTP status, exit code of the command line (2 = the user's input, 1 = anything else).
 * Codes are what clients switch on; texts may change.
 */
export const ERRORS = {
  // input: projects and scenes
  'not-a-blend': { status: 422, exitCode: 2 },
  'blend-empty': { status: 422, exitCode: 2 },
  'blend-truncated': { status: 422, exitCode: 2 },
  'blend-too-new': { status: 422, exitCode: 2 },
  'file-not-found': { status: 422, exitCode: 2 },
  'file-changed': { status: 409, exitCode: 2 },
  'path-outside-project': { status: 422, exitCode: 2 },
  'path-invalid': { status: 422, exitCode: 2 },
  'missing-files': { status: 422, exitCode: 2 },
  'no-camera': { status: 422, exitCode: 2 },
  'unknown-camera': { status: 422, exitCode: 2 },
  'unknown-scene': { status: 422, exitCode: 2 },
  'frames-malformed': { status: 422, exitCode: 2 },
  'frames-empty': { status: 422, exitCode: 2 },
  'frames-too-many': { status: 422, exitCode: 2 },
  'settings-invalid': { status: 422, exitCode: 2 },
  'history-dependent': { status: 422, exitCode: 2 },
  'no-agent-for-job': { status: 409, exitCode: 2 },
  'denoiser-unavailable': { status: 409, exitCode: 2 },
  'inspection-failed': { status: 422, exitCode: 2 },
  'chunks-missing': { status: 409, exitCode: 1 },
  'chunk-mismatch': { status: 422, exitCode: 1 },
  'too-large': { status: 413, exitCode: 2 },
  // the command line's own surroundings
  usage: { status: 400, exitCode: 2 },
  'server-unreachable': { status: 503, exitCode: 1 },
  'setup-missing': { status: 500, exitCode: 1 },
  'sandbox-unavailable': { status: 500, exitCode: 1 },
  'output-refused': { status: 422, exitCode: 1 },
  'disk-full': { status: 507, exitCode: 1 },
  'job-failed': { status: 500, exitCode: 1 },
  'already-running': { status: 409, exitCode: 1 },
  // the network
  validation: { status: 400, exitCode: 2 },
  unauthenticated: { status: 401, exitCode: 1 },
  forbidden: { status: 403, exitCode: 1 },
  'not-found': { status: 404, exitCode: 2 },
  conflict: { status: 409, exitCode: 1 },
  'grant-expired': { status: 403, exitCode: 1 },
  'lease-lost': { status: 409, exitCode: 1 },
  'agent-refused': { status: 403, exitCode: 2 },
  'database-unavailable': { status: 503, exitCode: 1 },
  internal: { status: 500, exitCode: 1 },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal with a code from the registry. `message` says what happened, to what, and what to do. */
export class PictorError extends Error {
  readonly code: ErrorCode;
  /** Machine-readable facts, e.g. `{ missing: ['textures/wood.png'] }`. */
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: { details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'PictorError';
    this.code = code;
    this.details = options.details ?? {};
  }
}
