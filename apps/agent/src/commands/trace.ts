import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PictorError, type TraceReport } from '@pictor/protocol';
import { planProject, probeSandbox, RenderFailure, traceScene } from '@pictor/rendering';
import { probeBuilds } from '../capabilities/measure-capabilities.ts';
import type { TraceConfig } from '../config.ts';

/** Prints the files that a .blend uses and how they make a project (TraceReport), as one line of JSON. Returns the exit code. */
export async function trace(config: TraceConfig): Promise<number> {
  await access(config.file).catch((error) => {
    throw new PictorError('file-not-found', `${config.file} cannot be read: check the path.`, { cause: error });
  });
  const sandbox = await probeSandbox();
  const [newest] = await probeBuilds(config.blenderPaths, config.buildsFile, sandbox);
  if (newest === undefined) {
    throw new PictorError('setup-missing', 'No Blender was found here: install one, or name it with --blender PATH.');
  }
  const workDir = await mkdtemp(join(tmpdir(), 'pictor-trace-'));
  try {
    const references = await traceScene(config.file, newest, sandbox, workDir);
    const report: TraceReport = { references, project: planProject(config.file, references) };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof RenderFailure) {
      const message = `${config.file} could not be looked into: ${error.message}`;
      throw new PictorError('inspection-failed', message, { details: { failure: error.kind }, cause: error });
    }
    throw error;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
