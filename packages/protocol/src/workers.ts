import { z } from 'zod';
import { Capabilities } from './capabilities.ts';
import { WorkerId } from './ids.ts';
import { WorkerStatus } from './statuses.ts';

export const Worker = z.object({
  workerId: WorkerId,
  name: z.string(),
  status: WorkerStatus,
  statusReason: z.string().nullable(),
  hostname: z.string().nullable(),
  capabilities: Capabilities.nullable(),
  enrolled: z.boolean(),
  lastSeenAt: z.string().nullable(),
});
export type Worker = z.infer<typeof Worker>;
