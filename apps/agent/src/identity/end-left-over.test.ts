import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { endLeftOver } from './end-left-over.ts';

describe(endLeftOver, () => {
  test('ends the sandboxes of these sessions and no others', async () => {
    const folder = await temporaryFolder();
    const ours = await startSandbox(join(folder, 'sessions/device-0'));
    const other = await startSandbox(join(folder, 'sessions-of-another/device-0'));

    expect(await endLeftOver(join(folder, 'sessions'))).toBeGreaterThan(0);

    await ours.ended;
    expect(other.child.exitCode ?? other.child.signalCode).toBeNull();
    expect(await endLeftOver(join(folder, 'sessions'))).toBe(0);
  });
});

async function startSandbox(jobDir: string) {
  await mkdir(jobDir, { recursive: true });
  const args = ['--ro-bind', '/', '/', '--dev', '/dev', '--tmpfs', '/tmp', '--ro-bind', jobDir, '/tmp/job'];
  const child = spawn('bwrap', [...args, '--die-with-parent', 'sh', '-c', 'echo up; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await once(child.stdout, 'data');
  return { child, ended };
}
