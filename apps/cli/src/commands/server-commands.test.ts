import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkerConfig } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, type StartedCli, startCli } from '../testing/run-cli.ts';

describe('commands against a server that is up', () => {
  let home: string;
  let up: StartedCli;
  let url: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'pictor-up-'));
    up = startCli(['up', '--agents', '0', '--listen', '127.0.0.1:0', '--json'], { home });
    url = JSON.parse((await up.waitFor(/^.*"ready".*$/m))[0]).url;
  });

  afterAll(async () => {
    up.child.kill('SIGKILL');
    await up.ended;
    await rm(home, { recursive: true, force: true });
  });

  it('finds the server by itself, and lists no jobs and no workers at first', async () => {
    expect(await runCli(['job', 'list'], { home })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('no jobs'),
    });
    expect(await runCli(['job', 'list', '--json'], { home })).toMatchObject({ code: 0, stdout: '' });
  });

  it('creates a worker, and lists and revokes it', async () => {
    const created = await runCli(['worker', 'create', 'render node 1'], { home });
    const workerConfig = WorkerConfig.parse(JSON.parse(created.stdout));
    expect(workerConfig).toMatchObject({ name: 'render node 1', server: url });
    const listed = await runCli(['worker', 'list', '--json'], { home });
    expect(JSON.parse(listed.stdout)).toMatchObject({ workerId: workerConfig.workerId, status: 'offline' });
    const revoked = await runCli(['worker', 'revoke', workerConfig.workerId], { home });
    expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining(workerConfig.workerId) });
  });

  it('needs the token of a server that is not its own', async () => {
    const elsewhere = join(home, 'elsewhere');
    const { code, stderr } = await runCli(['job', 'list', '--server', url], { home: elsewhere });
    expect(code).toBe(1);
    expect(stderr).toContain('--token');
    const token = (await readFile(join(home, 'server/operator-token'), 'utf8')).trim();
    expect(await runCli(['job', 'list', '--server', url, '--token', token], { home: elsewhere })).toMatchObject({
      code: 0,
    });
    const wrong = await runCli(['job', 'list', '--server', url, '--token', 'wrong'], { home: elsewhere });
    expect(wrong.code).toBe(1);
  });

  it.each(['show', 'watch', 'cancel', 'download'])('says of job %s that there is no such job', async (verb) => {
    const { code, stderr } = await runCli(['job', verb, 'job_00000000'], { home, cwd: tmpdir() });
    expect(code).toBe(2);
    expect(stderr).toContain('job_00000000');
  });

  it('refuses to render where no agent is connected', async () => {
    const { code, stderr } = await runCli(['render', '--project', 'examples', '--file', 'nothing.blend'], { home });
    expect(code).toBe(2);
    expect(stderr).toContain('nothing.blend');
  });

  it('refuses a second server on the same data', async () => {
    const second = await runCli(['up', '--agents', '0', '--listen', '127.0.0.1:0'], { home });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('is running');
  });

  it('is stopped by down', async () => {
    const stopped = await runCli(['down'], { home });
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining('stopped') });
    expect((await up.ended).code).toBe(0);
    const { code, stderr } = await runCli(['job', 'list'], { home });
    expect(code).toBe(1);
    expect(stderr).toContain('pictor up');
  });
});
