import { stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { findBlenders } from '@pictor/rendering';
import { errorText, log } from '../log.ts';
import { type Measured, measureMachine } from './measure-capabilities.ts';

export interface MachineToWatch {
  blenderPaths: string[];
  buildsFile: string;
  /** How often to look whether a Blender came, went or was updated; nothing is started for that. */
  intervalSeconds: number;
  signal: AbortSignal;
}

/** Measures the machine at once, and again whenever its Blenders have changed. Throws what the first measuring throws. */
export async function watchMachine(
  machine: MachineToWatch,
  onMeasured: (measured: Measured) => Promise<void>,
): Promise<void> {
  const { blenderPaths, buildsFile, intervalSeconds, signal } = machine;
  let seen = await describeFiles(blenderPaths);
  await onMeasured(await measureMachine(blenderPaths, buildsFile));
  while (await isStillWanted(intervalSeconds, signal)) {
    try {
      const found = await describeFiles(blenderPaths);
      if (found !== seen) {
        log('info', 'The Blenders of this machine have changed.');
        await onMeasured(await measureMachine(blenderPaths, buildsFile));
        seen = found;
      }
    } catch (error) {
      log('warn', 'The Blenders of this machine could not be looked at again.', { error: errorText(error) });
    }
  }
}

async function describeFiles(blenderPaths: string[]): Promise<string> {
  const files = await Promise.all(
    (await findBlenders(blenderPaths)).map(async (path) => {
      const { size, mtimeMs, ino } = await stat(path);
      return `${path} ${size} ${mtimeMs} ${ino}`;
    }),
  );
  return files.join('\n');
}

async function isStillWanted(intervalSeconds: number, signal: AbortSignal): Promise<boolean> {
  await wait(intervalSeconds * 1000, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}
