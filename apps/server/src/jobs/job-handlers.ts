import type { RouteHandlers } from '@pictor/protocol';
import { type Db, type Tx, withTransaction } from '../db/index.ts';
import { listFrames, listOutputs } from '../frames/index.ts';
import { type Presence, tellStopped } from '../workers/index.ts';
import { createJob } from './create-job.ts';
import { getJob, listJobs } from './read-jobs.ts';
import { cancelJob, pauseJob, resumeJob, retryJob } from './steer-job.ts';

/** The routes of this room, for `http`. `onChanged` wakes the scheduler. */
export function jobHandlers(deps: {
  db: Db;
  ownerId: string;
  presence: Presence;
  onChanged: () => void;
}): RouteHandlers<
  | 'createJob'
  | 'listJobs'
  | 'getJob'
  | 'listFrames'
  | 'listOutputs'
  | 'pauseJob'
  | 'resumeJob'
  | 'cancelJob'
  | 'retryJob'
> {
  const { db, ownerId, presence, onChanged } = deps;
  const steer = async <T>(change: (tx: Tx) => Promise<T>): Promise<T> => {
    const result = await withTransaction(db, change, { repeatable: true });
    onChanged();
    return result;
  };
  return {
    async createJob({ body }) {
      const jobId = await createJob(db, body, ownerId);
      onChanged();
      return getJob(db, jobId);
    },
    listJobs: async () => ({ jobs: await listJobs(db, ownerId) }),
    getJob: ({ params }) => getJob(db, params.jobId),
    async listFrames({ params }) {
      await getJob(db, params.jobId);
      return { frames: await listFrames(db, params.jobId) };
    },
    async listOutputs({ params }) {
      await getJob(db, params.jobId);
      return { outputs: await listOutputs(db, params.jobId) };
    },
    async pauseJob({ params: { jobId } }) {
      await steer((tx) => pauseJob(tx, jobId));
      return getJob(db, jobId);
    },
    async resumeJob({ params: { jobId } }) {
      await steer((tx) => resumeJob(tx, jobId));
      return getJob(db, jobId);
    },
    async cancelJob({ params: { jobId } }) {
      tellStopped(presence, await steer((tx) => cancelJob(tx, jobId)), 'the job was canceled');
      return getJob(db, jobId);
    },
    async retryJob({ params: { jobId } }) {
      await steer((tx) => retryJob(tx, jobId));
      return getJob(db, jobId);
    },
  };
}
