import type { JobStatus } from '@pictor/protocol';

/** Whether a job in this status renders no frame any more. */
export function hasEnded(status: JobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'canceled';
}
