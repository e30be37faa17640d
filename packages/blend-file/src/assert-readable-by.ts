import { PictorError } from '@pictor/protocol';
import type { BlendHeader } from './blend-header.ts';

/**
 * Refuses a scene that was saved by a newer Blender than any of `networkVersions` (e.g. `['3.4.1']`). Patch levels do not
 * matter: Blender keeps its files readable within a minor version. An empty list refuses nothing: no agent is another problem.
 *
 * @throws PictorError `blend-too-new`
 */
export function assertReadableBy(header: BlendHeader, networkVersions: readonly string[], name: string): void {
  if (networkVersions.length === 0) return;
  const newest = networkVersions.reduce((a, b) => (rank(b) > rank(a) ? b : a));
  if (header.major * 1000 + header.minor <= rank(newest)) return;
  throw new PictorError(
    'blend-too-new',
    `${name} was saved by Blender ${header.version}, but the newest Blender of this network is ${newest}. ` +
      `Add an agent that has Blender ${header.version} or newer, or save the scene with Blender ${newest} or older.`,
    { details: { fileVersion: header.version, networkVersions: [...networkVersions] } },
  );
}

function rank(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return major * 1000 + minor;
}
