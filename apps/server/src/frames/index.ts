export { type AlertReport, alertFrame } from './alert-frame.ts';
export { type Delivery, deliverFrame } from './deliver-frame.ts';
export { endJobLeases, endWorkerLeases, expireLeases, releaseLease, type StoppedLease } from './end-leases.ts';
export type { ExpectedOutputs } from './expected-outputs.ts';
export { type FailureReport, failAttempt } from './fail-attempt.ts';
export { ATTEMPT_TRANSITIONS, FRAME_TRANSITIONS } from './frame-transitions.ts';
export { insertFrames } from './insert-frames.ts';
export { acceptFrames, refuteFrame, succeedFrames } from './judge-frames.ts';
export { LEASE_SECONDS, type LeaseClaim, prolongLeases, renewLeases } from './keep-leases.ts';
export { type LeasePlan, leaseFrames, mayTry, type RetryRules, type WrittenLease } from './lease-frames.ts';
export { type DeliveredFrame, listDelivered } from './read-deliveries.ts';
export {
  countFrames,
  findOutput,
  listFrames,
  listOutputs,
  measureFrameSeconds,
  measurePace,
  type Pace,
} from './read-frames.ts';
export { countEnqueued, type LiveLease, listLeasesOfWorker, listLiveLeases, listRetries } from './read-leases.ts';
export { retryFrames } from './retry-frames.ts';
