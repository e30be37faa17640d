import type { JobStatus } from '@pictor/protocol';

/** Which status of a job may follow which. On a private network frames are accepted by themselves and `review` is passed over. */
export const JOB_TRANSITIONS: Record<JobStatus, readonly JobStatus[]> = {
  draft: ['pretest', 'rendering', 'canceled'],
  pretest: ['awaiting-approval', 'rendering', 'paused', 'canceled', 'failed'],
  'awaiting-approval': ['rendering', 'canceled'],
  rendering: ['review', 'completed', 'paused', 'canceled', 'failed'],
  review: ['rendering', 'completed'],
  // What was leased when it was paused goes on, and may be all that was left.
  paused: ['rendering', 'completed', 'canceled', 'failed'],
  // Failed frames may be tried again.
  completed: ['rendering'],
  failed: ['rendering'],
  canceled: [],
};

/** The statuses from which a job may come to `status`. */
export const jobStatusesBefore = (status: JobStatus): JobStatus[] =>
  (Object.keys(JOB_TRANSITIONS) as JobStatus[]).filter((from) => JOB_TRANSITIONS[from].includes(status));
