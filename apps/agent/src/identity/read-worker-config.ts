import { readFile } from 'node:fs/promises';
import { PictorError, WorkerConfig } from '@pictor/protocol';

/** Reads `worker-config.json`. Throws PictorError `usage` that names the file, what is wrong with it and what to do. */
export async function readWorkerConfig(path: string): Promise<WorkerConfig> {
  const remedy = 'create a worker on the server and save the config it gives out';
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new PictorError('usage', `${path} cannot be read (${(error as NodeJS.ErrnoException).code}): ${remedy}.`, {
      cause: error,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PictorError('usage', `${path} is not JSON (${(error as Error).message}): ${remedy}.`, { cause: error });
  }
  const parsed = WorkerConfig.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw new PictorError('usage', `${path} is not a worker's config (${problems.join('; ')}): ${remedy}.`);
  }
  if (!/^https?:$/.test(new URL(parsed.data.server).protocol)) {
    throw new PictorError(
      'usage',
      `${path} names the server ${parsed.data.server}: expected an http or https address.`,
    );
  }
  return parsed.data;
}
