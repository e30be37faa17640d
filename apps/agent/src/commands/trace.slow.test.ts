import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TraceReport } from '@pictor/protocol';
import { describe, expect, test } from 'vitest';
import { makeExampleScenes } from '../../../../examples/scenes.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { trace } from './trace.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, '../main.ts');

describe(trace, () => {
  test('prints the files of a lone .blend as a project', async () => {
    const folder = await temporaryFolder();
    const { linked } = await makeExampleScenes(folder);

    const { stdout } = await run('env', [
      `PICTOR_HOME=${folder}/home`,
      process.execPath,
      main,
      'trace',
      linked.path,
      '--json',
    ]);

    const { references, project } = TraceReport.parse(JSON.parse(stdout));
    expect(references.map(({ kind, status }) => `${kind} ${status}`).sort()).toEqual([
      'image present',
      'library present',
    ]);
    expect(project).toMatchObject({ root: linked.root, file: linked.file, remaps: [] });
    expect(project.files).toHaveLength(3);
  });

  test.each([
    ['is not there', null, 'file-not-found'],
    ['is no .blend', 'hello', 'inspection-failed'],
  ])('says with exit code 2 that a file %s', async (_, content, code) => {
    const folder = await temporaryFolder();
    const file = join(folder, 'scene.blend');
    if (content !== null) {
      await writeFile(file, content);
    }

    const failed = run('env', [`PICTOR_HOME=${folder}/home`, process.execPath, main, 'trace', file, '--json']);

    await expect(failed).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining(`"code":"${code}"`) });
    await expect(failed).rejects.toMatchObject({ stderr: expect.stringContaining(file) });
  });
});
