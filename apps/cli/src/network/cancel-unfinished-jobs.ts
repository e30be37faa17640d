import type { ApiClient } from '@pictor/api-client';
import { hasEnded } from '../render/has-ended.ts';

/** Cancels every job of a server that has not ended. */
export async function cancelUnfinishedJobs(client: ApiClient): Promise<void> {
  const { jobs } = await client.listJobs({});
  for (const job of jobs) {
    if (!hasEnded(job.status)) await client.cancelJob({ params: { jobId: job.jobId } });
  }
}
