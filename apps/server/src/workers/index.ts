export {
  changeWorkerStatuses,
  markAllOffline,
  recordLastSeen,
  type WorkerStatusChange,
} from './change-worker-status.ts';
export { createWorker } from './create-worker.ts';
export { enrolWorker, findWorker, type KnownWorker } from './enrolment.ts';
export {
  compareVersions,
  deviceName,
  type Fit,
  fitWorker,
  isWanted,
  type JobRequirements,
  lacksOfBuild,
} from './job-requirements.ts';
export { type ConnectedWorker, Presence } from './presence.ts';
export { type CapableWorker, getWorker, listCapableWorkers, listWorkers, recordCapabilities } from './read-workers.ts';
export { recordSequence } from './record-sequence.ts';
export { drainWorker, resumeWorker, revokeWorker } from './steer-worker.ts';
export { tellStopped } from './tell-stopped.ts';
export { workerHandlers } from './worker-handlers.ts';
export { WORKER_TRANSITIONS } from './worker-transitions.ts';
