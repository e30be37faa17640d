import { z } from 'zod';
import { WorkerId } from './ids.ts';

/** Contents of `worker-config.json`: where the server is, which worker this is, and a code that enrols one key once. */
export const WorkerConfig = z.object({
  server: z.url(),
  workerId: WorkerId,
  name: z.string(),
  enrolmentCode: z.string(),
});
export type WorkerConfig = z.infer<typeof WorkerConfig>;
