import { dirname } from 'node:path';
import type { Mount } from '../sandbox/index.ts';

/** The folder of a Blender that was unpacked somewhere; the system's own lies in what every sandbox has. */
export function blenderMounts(path: string): Mount[] {
  return path.startsWith('/usr/') ? [] : [{ source: dirname(path), target: dirname(path) }];
}
