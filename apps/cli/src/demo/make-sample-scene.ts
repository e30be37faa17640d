import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import { repositoryRoot } from '../config.ts';
import { runTool } from './run-tool.ts';

/** Has Blender make the sample scene as `file`, by our own script. */
export async function makeSampleScene(file: string, blender: string, signal: AbortSignal): Promise<void> {
  const script = join(repositoryRoot, 'examples/make-sample-scene.py');
  const args = ['-b', '--factory-startup', '--python-exit-code', '1', '--python', script, '--', file];
  const { code, output } = await runTool(blender, args, signal);
  if (code !== 0) {
    throw new PictorError('internal', `${blender} could not make the sample scene (exit code ${code}):\n${output}`);
  }
}
