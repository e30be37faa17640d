import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { readWorkerConfig } from './read-worker-config.ts';

const config = { server: 'http://localhost:7878', workerId: 'wrk_00000001', name: 'a', enrolmentCode: 'code' };

describe(readWorkerConfig, () => {
  test('reads what the server gave out', async () => {
    expect(await readWorkerConfig(await fileWith(JSON.stringify(config)))).toEqual(config);
  });

  test.each([
    ['is empty', '', 'is not JSON'],
    ['is no object', '[]', "is not a worker's config"],
    ['lacks the worker', JSON.stringify({ ...config, workerId: undefined }), 'workerId: '],
    ['has a wrong id', JSON.stringify({ ...config, workerId: 'job_00000001' }), 'workerId: '],
    ['names a server that cannot be called', JSON.stringify({ ...config, server: 'ftp://localhost' }), 'http or https'],
  ])('names a file that %s, and what is wrong with it', async (_, content, problem) => {
    const path = await fileWith(content);
    const refused = readWorkerConfig(path);

    await expect(refused).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(path) });
    await expect(refused).rejects.toThrow(problem);
  });

  test('names a file that is not there', async () => {
    const path = join(await temporaryFolder(), 'no.json');
    await expect(readWorkerConfig(path)).rejects.toThrow(`${path} cannot be read (ENOENT)`);
  });
});

async function fileWith(content: string): Promise<string> {
  const path = join(await temporaryFolder(), 'worker-config.json');
  await writeFile(path, content);
  return path;
}
