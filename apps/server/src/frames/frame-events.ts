import type { FrameId, FrameStatus, JobId } from '@pictor/protocol';
import type { Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';

/** A frame after a change, as its event tells it. */
export interface ChangedFrame {
  jobId: JobId;
  frameId: FrameId;
  number: number;
  status: FrameStatus;
  workerName: string | null;
  renderSeconds: number | null;
  message: string | null;
}

/** One row in the outbox for each job, however many of its frames changed. */
export async function publishFrames(tx: Tx, frames: readonly ChangedFrame[]): Promise<void> {
  const byJob = Map.groupBy(frames, (frame) => frame.jobId);
  await publish(
    tx,
    ...[...byJob].map(([jobId, changed]) => ({
      type: 'frames.changed' as const,
      jobId,
      frames: changed.map(({ frameId, number, status, workerName, renderSeconds, message }) => ({
        frameId,
        number,
        status,
        workerName,
        renderSeconds,
        message,
      })),
    })),
  );
}
