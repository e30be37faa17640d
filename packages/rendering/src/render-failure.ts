import type { FailureKind } from '@pictor/protocol';

/**
 * A render or inspection that failed: `kind` says whose fault it is (protocol's FAILURES), `message` what happened and to what,
 * `log` holds the last lines that Blender wrote.
 */
export class RenderFailure extends Error {
  readonly kind: FailureKind;
  readonly log: string;

  constructor(kind: FailureKind, message: string, options: { log?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'RenderFailure';
    this.kind = kind;
    this.log = options.log ?? '';
  }
}
