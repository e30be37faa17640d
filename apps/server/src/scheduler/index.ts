export { leaseSize, TARGET_SECONDS } from './lease-size.ts';
export { type JobDemand, match, type WorkerSupply } from './match.ts';
export { GRANT_SECONDS } from './push-leases.ts';
export { type Scheduler, startScheduler } from './start-scheduler.ts';
