import { z } from 'zod';

/** Life of a job: `draft → pretest → awaiting-approval → rendering → review → completed`, see GLOSSARY.md. */
export const JobStatus = z.enum([
  'draft',
  'pretest',
  'awaiting-approval',
  'rendering',
  'review',
  'completed',
  'paused',
  'canceled',
  'failed',
]);
export type JobStatus = z.infer<typeof JobStatus>;

/** Life of a frame. `succeeded` carries `proven` or `unproven: reason`. */
export const FrameStatus = z.enum([
  'enqueued',
  'processing',
  'verifying',
  'succeeded',
  'accepted',
  'failed',
  'rerender-requested',
]);
export type FrameStatus = z.infer<typeof FrameStatus>;

/** Life of one worker's try at one frame. All but `processing` and `delivered` are final. */
export const AttemptStatus = z.enum([
  'processing',
  'delivered',
  'verified',
  'refuted',
  'failed',
  'expired',
  'abandoned',
  'superseded',
]);
export type AttemptStatus = z.infer<typeof AttemptStatus>;

/** What a worker is doing; shown with a reason where it gets no work. */
export const WorkerStatus = z.enum(['offline', 'idle', 'rendering', 'rented', 'draining', 'paused', 'suspended']);
export type WorkerStatus = z.infer<typeof WorkerStatus>;
