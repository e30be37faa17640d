import { RenderFailure } from '../render-failure.ts';
import type { SandboxExit } from '../sandbox/index.ts';

const LAST_LINES = 5;
const NO_MEMORY = /std::bad_alloc|(?:Calloc|Malloc|Mallocn|Callocn)\S* returns null|out of (?:host )?memory/i;

/** What the end of a Blender that should have gone on means; `doing` says what it did, e.g. `rendering frame 7`. */
export function exitFailure(exit: SandboxExit, log: string, doing: string): RenderFailure {
  const failure = (kind: RenderFailure['kind'], message: string) => new RenderFailure(kind, message, { log });
  if (exit.limit === 'memory')
    return failure('out-of-memory', `Blender needed more memory than allowed while ${doing}.`);
  if (exit.limit === 'processes') {
    return failure('too-many-processes', `The scene started more processes than allowed while ${doing}.`);
  }
  if (exit.limit === 'output') {
    return failure('output-refused', `The scene wrote more or larger files than allowed while ${doing}.`);
  }
  const lastLines = log.split('\n').slice(-LAST_LINES).join('\n');
  if (NO_MEMORY.test(lastLines)) return failure('out-of-memory', `Blender got no more memory while ${doing}.`);
  const how = exit.signal ?? `exit code ${exit.code}`;
  const said = lastLines === '' ? 'It wrote nothing before.' : `Its last lines: ${lastLines}`;
  return failure('blender-crashed', `Blender ended (${how}) while ${doing}. ${said}`);
}
