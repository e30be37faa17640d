import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from './start-server.ts';
import { startTestDatabase, TEMPLATE_HOME } from './testing/test-database.ts';

interface Started {
  process: ChildProcess;
  event: { event: string; url?: string; dataDir?: string; code?: string; message?: string };
  exited: Promise<number | null>;
}

describe(startServer.name, () => {
  let directory: string;
  const processes: Started[] = [];
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  });
  afterAll(async () => {
    for (const started of processes) started.process.kill('SIGTERM');
    await Promise.all(processes.map((started) => started.exited));
    await rm(directory, { recursive: true, force: true });
  });

  it('prints one line when it is ready, tells where it is in server.json, and leaves nothing running or locked', async () => {
    const dataDir = path.join(directory, 'clean');
    const server = await start({ PICTOR_DATA_DIR: dataDir });
    expect(server.event).toMatchObject({
      event: 'ready',
      dataDir,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    });
    const announced = JSON.parse(await readFile(path.join(dataDir, 'server.json'), 'utf8'));
    expect(announced).toMatchObject({ url: server.event.url, pid: server.process.pid });
    for (const secret of ['server.json', 'operator-token', 'keys/grants']) {
      expect((await stat(path.join(dataDir, secret))).mode & 0o777).toBe(0o600);
    }
    const reply = await fetch(`${announced.url}/v1/jobs`, { headers: { authorization: `Bearer ${announced.token}` } });
    expect(await reply.json()).toEqual({ jobs: [] });
    const postgres = Number.parseInt(await readFile(path.join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
    server.process.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    expect(existsSync(`/proc/${postgres}`)).toBe(false);
    expect((await readdir(dataDir)).filter((name) => /server|socket|new/.test(name))).toEqual([]);
  });

  it('refuses a second server on one data folder, naming the first, which goes on', async () => {
    const dataDir = path.join(directory, 'twice');
    const first = await start({ PICTOR_DATA_DIR: dataDir });
    const second = await start({ PICTOR_DATA_DIR: dataDir });
    expect(second.event).toMatchObject({ event: 'failed', code: 'already-running' });
    expect(second.event.message).toContain(String(first.process.pid));
    expect(await second.exited).toBe(1);
    expect((await fetch(`${first.event.url}/health`)).status).toBe(200);
  });

  it('starts where a server was killed, with what it had kept', async () => {
    const dataDir = path.join(directory, 'killed');
    const first = await start({ PICTOR_DATA_DIR: dataDir });
    const token = (await readFile(path.join(dataDir, 'operator-token'), 'utf8')).trim();
    const call = (url: string | undefined, init?: RequestInit) =>
      fetch(`${url}/v1/workers`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      });
    await call(first.event.url, { method: 'POST', body: JSON.stringify({ name: 'kept' }) });
    first.process.kill('SIGKILL');
    await first.exited;
    const second = await start({ PICTOR_DATA_DIR: dataDir });
    expect(await (await call(second.event.url)).json()).toMatchObject({
      workers: [{ name: 'kept', status: 'offline' }],
    });
    expect(JSON.parse(await readFile(path.join(dataDir, 'server.json'), 'utf8')).pid).toBe(second.process.pid);
  });

  it('takes a lock whose number belongs to another process by now', async () => {
    const dataDir = path.join(directory, 'recycled');
    const first = await start({ PICTOR_DATA_DIR: dataDir });
    first.process.kill('SIGTERM');
    await first.exited;
    await writeFile(path.join(dataDir, 'server.lock'), `${process.pid} 1`);
    expect((await start({ PICTOR_DATA_DIR: dataDir })).event.event).toBe('ready');
  });

  it('uses the database that DATABASE_URL names, and starts none of its own', async () => {
    const database = await startTestDatabase({ isMigrated: false });
    const { host, user, password } = database.connection;
    const dataDir = path.join(directory, 'external');
    const server = await start({
      PICTOR_DATA_DIR: dataDir,
      DATABASE_URL: `postgres://${user}:${password}@/postgres?host=${encodeURIComponent(host ?? '')}`,
      PICTOR_PUBLIC_URL: 'https://pictor.example.org',
    });
    expect(server.event.event).toBe('ready');
    expect(existsSync(path.join(dataDir, 'postgres'))).toBe(false);
    const { url, token } = JSON.parse(await readFile(path.join(dataDir, 'server.json'), 'utf8'));
    const created = await fetch(`${url}/v1/workers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'far' }),
    });
    expect(await created.json()).toMatchObject({ server: 'https://pictor.example.org' });
    server.process.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    await database.stop();
  });

  it('stops where its standard input ends and it was told to exit with its parent', async () => {
    const server = await start({ PICTOR_DATA_DIR: path.join(directory, 'parent'), PICTOR_EXIT_WITH_PARENT: '1' });
    expect(server.event.event).toBe('ready');
    server.process.stdin?.end();
    expect(await server.exited).toBe(0);
  });

  it('tells all that is wrong with its configuration at once', async () => {
    const server = await start({
      PICTOR_LISTEN: 'everywhere',
      DATABASE_URL: 'mysql://x',
      OBJECT_STORE_URL: 's3://bucket',
    });
    expect(server.event).toMatchObject({ event: 'failed', code: 'setup-missing' });
    for (const name of ['PICTOR_LISTEN', 'DATABASE_URL', 'OBJECT_STORE_URL'])
      expect(server.event.message).toContain(name);
  });

  it('says that its address is taken, and leaves no database running', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as { port: number };
    const dataDir = path.join(directory, 'taken');
    const server = await start({ PICTOR_DATA_DIR: dataDir, PICTOR_LISTEN: `127.0.0.1:${port}` });
    expect(server.event).toMatchObject({
      event: 'failed',
      code: 'already-running',
      message: expect.stringContaining(String(port)),
    });
    expect(await server.exited).toBe(1);
    expect(existsSync(path.join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false);
    squatter.close();
  });

  async function start(environment: Record<string, string>): Promise<Started> {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'main.ts')], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        PICTOR_HOME: TEMPLATE_HOME,
        PICTOR_LISTEN: '127.0.0.1:0',
        ...environment,
      },
    });
    let log = '';
    child.stderr.on('data', (text) => {
      log += text;
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    for await (const line of createInterface({ input: child.stdout })) {
      const started = { process: child, event: JSON.parse(line), exited };
      processes.push(started);
      return started;
    }
    throw new Error(`the server ended without a word: ${log}`);
  }
});
