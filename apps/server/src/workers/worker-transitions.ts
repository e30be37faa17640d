import type { WorkerStatus } from '@pictor/protocol';

/** Which status of a worker may follow which. `suspended` is final: a revoked key never comes back. */
export const WORKER_TRANSITIONS: Record<WorkerStatus, readonly WorkerStatus[]> = {
  offline: ['idle', 'rendering', 'draining', 'paused', 'suspended'],
  idle: ['offline', 'rendering', 'draining', 'paused', 'suspended'],
  rendering: ['offline', 'idle', 'draining', 'paused', 'suspended'],
  draining: ['offline', 'idle', 'rendering', 'paused', 'suspended'],
  paused: ['offline', 'idle', 'rendering', 'draining', 'suspended'],
  rented: [],
  suspended: [],
};
