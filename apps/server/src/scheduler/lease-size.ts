/** Work that a lease aims at, in seconds: long enough that its overhead does not show, short enough that little is lost with it. */
export const TARGET_SECONDS = 90;
const MAX_FRAMES = 1000;

/**
 * How many frames a lease shall hold. Without measured frame times one, so that they are measured soon; then as many as make
 * `TARGET_SECONDS` of work, and never more than the rest of the job over the devices that can render it, so that all end together.
 */
export function leaseSize(job: {
  framesLeft: number;
  /** Devices that can render the job. */
  devices: number;
  /** Mean seconds of a frame; null while none was measured. */
  frameSeconds: number | null;
  framesPerNode: number | null;
  isSequential: boolean;
}): number {
  if (job.isSequential) return job.framesLeft;
  if (job.framesPerNode !== null) return Math.min(job.framesPerNode, job.framesLeft);
  if (job.frameSeconds === null) return Math.min(1, job.framesLeft);
  const byTime = Math.max(1, Math.floor(TARGET_SECONDS / Math.max(job.frameSeconds, 0.001)));
  const share = Math.ceil(job.framesLeft / Math.max(1, job.devices));
  return Math.min(byTime, share, job.framesLeft, MAX_FRAMES);
}
