import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiClient } from '@pictor/api-client';
import { WorkerConfig } from '@pictor/protocol';

/**
 * Makes the config of a local agent in `folder`, or takes the one that is there where the server still knows the worker. The agent's
 * key lives in its data folder: both are made anew together, or the key would not be the one the worker was enrolled with.
 */
export async function prepareWorker(options: {
  name: string;
  folder: string;
  server: { url: string; token: string };
}): Promise<{ configFile: string; dataDir: string }> {
  const client = createApiClient(options.server);
  const configFile = join(options.folder, 'worker-config.json');
  const dataDir = join(options.folder, 'data');
  let workerConfig = await readConfig(configFile);
  if (workerConfig) {
    const { workers } = await client.listWorkers({});
    const known = workers.find((worker) => worker.workerId === workerConfig?.workerId);
    // A revoked key never comes back.
    if (!known || known.status === 'suspended') workerConfig = null;
  }
  if (!workerConfig) {
    await rm(options.folder, { recursive: true, force: true });
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    workerConfig = await client.createWorker({ body: { name: options.name } });
  }
  // The address may be another one than at the last start.
  await writeWhole(configFile, `${JSON.stringify({ ...workerConfig, server: options.server.url }, null, 2)}\n`);
  return { configFile, dataDir };
}

async function readConfig(path: string): Promise<WorkerConfig | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  // A config cut short by a power loss is made anew.
  try {
    return WorkerConfig.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.part`, text, { mode: 0o600 });
  await rename(`${path}.part`, path);
}
