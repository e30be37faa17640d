import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { waitUntil } from '../testing/wait-until.ts';
import type { Measured } from './measure-capabilities.ts';
import { watchMachine } from './watch-machine.ts';

describe(watchMachine, () => {
  test('measures again when a Blender is replaced, and leaves out what is none', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'blender');
    await writeFile(path, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const stop = new AbortController();
    const measurements: Measured[] = [];
    const machine = {
      blenderPaths: [path],
      buildsFile: join(folder, 'builds.json'),
      intervalSeconds: 0.05,
      signal: stop.signal,
    };
    const watching = watchMachine(machine, async (measured) => void measurements.push(measured));
    await waitUntil('it is measured', () => measurements.length === 1);

    await writeFile(path, '#!/bin/sh\nexit 2 # replaced\n');

    await waitUntil('it is measured again', () => measurements.length === 2);
    stop.abort();
    await watching;
    expect(measurements.flatMap(({ builds }) => builds.map((build) => build.path))).not.toContain(path);
  });
});
