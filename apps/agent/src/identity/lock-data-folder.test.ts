import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { lockDataFolder } from './lock-data-folder.ts';

describe(lockDataFolder, () => {
  test('refuses a second agent and names the first', async () => {
    const folder = await temporaryFolder();
    const unlock = await lockDataFolder(folder);

    await expect(lockDataFolder(folder)).rejects.toThrow(`process ${process.pid}`);

    await unlock();
    expect(await readdir(folder)).toEqual([]);
  });

  test('takes over from a process that was killed, also where its id is used again', async () => {
    const folder = await temporaryFolder();
    const child = spawn(process.execPath, ['--eval', '']);
    await once(child, 'exit');
    await writeFile(join(folder, 'agent.lock'), JSON.stringify({ pid: child.pid, startTime: '1' }));
    await (await lockDataFolder(folder))();

    await writeFile(join(folder, 'agent.lock'), JSON.stringify({ pid: process.ppid, startTime: '1' }));
    await (await lockDataFolder(folder))();
  });

  test('takes over a lock that is damaged', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'agent.lock'), '');

    await (await lockDataFolder(folder))();
  });

  test('lets one of many win that find a dead owner at the same time', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'agent.lock'), JSON.stringify({ pid: 2 ** 22 + 1, startTime: '1' }));
    const program = `
      const { lockDataFolder } = await import(${JSON.stringify(join(import.meta.dirname, 'lock-data-folder.ts'))});
      await lockDataFolder(${JSON.stringify(folder)}).then(() => console.log('locked'), () => console.log('refused'));
      process.stdin.resume();
    `;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const words = await Promise.all(children.map(async ({ stdout }) => String(await once(stdout, 'data')).trim()));
    for (const child of children) {
      child.stdin.end();
    }
    await Promise.all(children.map((child) => once(child, 'exit')));

    expect(words.filter((word) => word === 'locked')).toHaveLength(1);
  });
});
