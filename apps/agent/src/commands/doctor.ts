import { measureMachine } from '../capabilities/measure-capabilities.ts';
import type { DoctorConfig } from '../config.ts';

/** Prints what the sandbox and the Blender builds of this machine can do, as one line of JSON. Returns the exit code. */
export async function doctor(config: DoctorConfig): Promise<number> {
  const { sandbox, builds, devices } = await measureMachine(config.blenderPaths, config.buildsFile);
  process.stdout.write(`${JSON.stringify({ sandbox, builds, devices })}\n`);
  return 0;
}
