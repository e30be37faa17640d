import type { AttemptStatus, FrameStatus } from '@pictor/protocol';

/** Which status of a frame may follow which. */
export const FRAME_TRANSITIONS: Record<FrameStatus, readonly FrameStatus[]> = {
  enqueued: ['processing'],
  // Back where the attempt failed, expired or was abandoned; failed after its attempts are used up.
  processing: ['verifying', 'enqueued', 'failed'],
  // Back on a mismatch.
  verifying: ['succeeded', 'enqueued'],
  succeeded: ['accepted', 'rerender-requested'],
  'rerender-requested': ['enqueued'],
  accepted: [],
  // By a retry of the job.
  failed: ['enqueued'],
};

/** Which status of an attempt may follow which. */
export const ATTEMPT_TRANSITIONS: Record<AttemptStatus, readonly AttemptStatus[]> = {
  processing: ['delivered', 'failed', 'expired', 'abandoned', 'superseded'],
  delivered: ['verified', 'refuted', 'superseded'],
  verified: [],
  refuted: [],
  failed: [],
  expired: [],
  abandoned: [],
  superseded: [],
};
