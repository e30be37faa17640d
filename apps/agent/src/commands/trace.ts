import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import { traceScene } from '@pictor/rendering';
import { measureMachine } from '../capabilities/measure-capabilities.ts';
import type { TraceConfig } from '../config.ts';

/** Prints the files that a .blend uses, libraries of libraries included, as one line of JSON. Returns the exit code. */
export async function trace(config: TraceConfig): Promise<number> {
  await access(config.file).catch((error) => {
    throw new PictorError('file-not-found', `${config.file} cannot be read: check the path.`, { cause: error });
  });
  const { sandbox, builds } = await measureMachine(config.blenderPaths, config.buildsFile);
  const [newest] = builds;
  if (newest === undefined) {
    throw new PictorError('setup-missing', 'No Blender was found here: install one, or name it with --blender PATH.');
  }
  const workDir = await mkdtemp(join(tmpdir(), 'pictor-trace-'));
  try {
    const references = await traceScene(config.file, newest, sandbox, workDir);
    process.stdout.write(`${JSON.stringify({ file: config.file, references })}\n`);
    return 0;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
