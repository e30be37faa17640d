import { z } from 'zod';

const id = <Brand extends string>(prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-z]{8,40}$`), `expected an id that begins with ${prefix}_`)
    .brand<Brand>();

/** Ids carry their kind as prefix, so that a job's id is never taken for a worker's. */
export const JobId = id<'JobId'>('job');
export type JobId = z.infer<typeof JobId>;
export const FrameId = id<'FrameId'>('frm');
export type FrameId = z.infer<typeof FrameId>;
export const AttemptId = id<'AttemptId'>('att');
export type AttemptId = z.infer<typeof AttemptId>;
export const LeaseId = id<'LeaseId'>('lse');
export type LeaseId = z.infer<typeof LeaseId>;
export const WorkerId = id<'WorkerId'>('wrk');
export type WorkerId = z.infer<typeof WorkerId>;
export const SnapshotId = id<'SnapshotId'>('snp');
export type SnapshotId = z.infer<typeof SnapshotId>;
export const InspectionId = id<'InspectionId'>('ins');
export type InspectionId = z.infer<typeof InspectionId>;
export const OutputId = id<'OutputId'>('out');
export type OutputId = z.infer<typeof OutputId>;

/** SHA-256 in lower-case hex: the name of a chunk, or of a file (the hash of its list of chunks). */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hex');
