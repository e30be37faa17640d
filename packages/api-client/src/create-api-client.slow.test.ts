import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { CHUNK_BYTES, type JobEvent } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createContentHash, fileHash } from './content-hash.ts';
import { type ApiClient, createApiClient } from './create-api-client.ts';

const REPOSITORY = path.join(import.meta.dirname, '../../..');

describe(createApiClient.name, () => {
  let directory: string;
  let server: { process: ChildProcess; url: string; token: string };
  let client: ApiClient;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
    server = await startServer(path.join(directory, 'server'));
    client = createApiClient(server);
  });
  afterAll(async () => {
    await stopProcess(server.process);
    await rm(directory, { recursive: true, force: true });
  });

  it('calls routes with parameters and bodies, and throws refusals by their code', async () => {
    expect(await client.health()).toMatchObject({ status: 'ok', workersOnline: 0 });
    expect(await client.listJobs({})).toEqual({ jobs: [] });
    await expect(client.getSnapshot({ params: { snapshotId: 'snp_00000000' } })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(client.getSnapshot({ params: { snapshotId: '../../health' } })).rejects.toMatchObject({
      code: 'validation',
    });
    const stranger = createApiClient({ url: server.url, token: 'wrong' });
    await expect(stranger.listJobs({})).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('says which server does not answer, and when something else answers', async () => {
    const nobody = createApiClient({ url: 'http://127.0.0.1:9', token: '' });
    await expect(nobody.health()).rejects.toMatchObject({
      code: 'server-unreachable',
      message: expect.stringContaining('127.0.0.1:9'),
    });
    const other = createServer((_request, response) => response.writeHead(404).end('<html>'));
    const url = await listen(other);
    await expect(createApiClient({ url }).health()).rejects.toMatchObject({ code: 'server-unreachable' });
    other.close();
  });

  it('uploads a project, sends nothing the second time, and one chunk after one changed', async () => {
    const files = await writeProject(path.join(directory, 'project'), {
      'scene.blend': randomBytes(2 * CHUNK_BYTES + 123),
      'textures/wood.png': randomBytes(5000),
      'textures/again.png': Buffer.from('same'),
      'textures/also.png': Buffer.from('same'),
      empty: Buffer.alloc(0),
    });
    const upload = async () => {
      let sentBytes = 0;
      let last = { totalBytes: -1, doneBytes: 0 };
      const manifest = await client.uploadFiles(files, {
        onProgress: (progress) => {
          sentBytes = progress.sentBytes;
          last = progress;
        },
      });
      expect(last.doneBytes).toBe(last.totalBytes);
      return { manifest, sentBytes };
    };
    const first = await upload();
    expect(first.sentBytes).toBe(2 * CHUNK_BYTES + 123 + 5000 + 4);
    expect(first.manifest.map((file) => file.path)).toEqual(files.map((file) => file.path));
    const { snapshotId } = await client.createSnapshot({ body: { files: first.manifest } });
    const snapshot = await client.getSnapshot({ params: { snapshotId } });
    expect(new Set(snapshot.files)).toEqual(new Set(first.manifest));

    const second = await upload();
    expect(second).toEqual({ manifest: first.manifest, sentBytes: 0 });
    await appendFile(files[0]?.absolutePath ?? '', 'x');
    expect((await upload()).sentBytes).toBe(124);
  });

  it('sends many small files in few questions', async () => {
    const contents = Object.fromEntries(
      Array.from({ length: 1200 }, (_, i) => [`f/${i}`, Buffer.from(`content ${i}`)]),
    );
    const manifest = await client.uploadFiles(await writeProject(path.join(directory, 'small'), contents));
    expect(manifest).toHaveLength(1200);
    await client.createSnapshot({ body: { files: manifest } });
  });

  it('refuses a file that is not there, is a folder, or changes while it is sent', async () => {
    const folder = path.join(directory, 'changing');
    const [file] = await writeProject(folder, { 'a.blend': randomBytes(6 * CHUNK_BYTES) });
    if (!file) throw new Error('nothing was written');
    for (const absolutePath of [path.join(folder, 'nothing'), folder]) {
      await expect(client.uploadFiles([{ path: 'x', absolutePath }])).rejects.toMatchObject({ code: 'file-not-found' });
    }
    let isChanged = false;
    const upload = client.uploadFiles([file], {
      onProgress: ({ sentBytes }) => {
        if (isChanged || sentBytes === 0) return;
        isChanged = true;
        void appendFile(file.absolutePath, 'more');
      },
    });
    await expect(upload).rejects.toMatchObject({ code: 'file-changed', message: expect.stringContaining('a.blend') });
  });

  it('stops where its signal aborts, with its reason', async () => {
    const [file] = await writeProject(path.join(directory, 'aborted'), { 'a.blend': randomBytes(4 * CHUNK_BYTES) });
    const abort = new AbortController();
    const upload = client.uploadFiles(file ? [file] : [], {
      signal: abort.signal,
      onProgress: ({ sentBytes }) => {
        if (sentBytes > 0) abort.abort(new Error('the user said stop'));
      },
    });
    await expect(upload).rejects.toThrow('the user said stop');
  });

  it('uploads over connections that break again and again', async () => {
    const line = await startBrittleLine(new URL(server.url));
    const [file] = await writeProject(path.join(directory, 'brittle'), { 'a.blend': randomBytes(3 * CHUNK_BYTES) });
    const far = createApiClient({ url: line.url, token: server.token });
    const manifest = await far.uploadFiles(file ? [file] : []);
    expect(line.broken()).toBeGreaterThan(0);
    await line.close();
    await client.createSnapshot({ body: { files: manifest } });
  });

  it('follows events over a connection that breaks, without losing or repeating one', async () => {
    const line = await startBrittleLine(new URL(server.url), { breakAfterBytes: Number.POSITIVE_INFINITY });
    const far = createApiClient({ url: line.url, token: server.token });
    const abort = new AbortController();
    const events = far.events({ signal: abort.signal });
    expect((await events.next()).value).toEqual({ type: 'resync' });

    const files = await client.uploadFiles(
      await writeProject(
        path.join(directory, 'inspected'),
        Object.fromEntries([1, 2, 3].map((i) => [`${i}.blend`, randomBytes(10)])),
      ),
    );
    const { snapshotId } = await client.createSnapshot({ body: { files } });
    const seen: JobEvent[] = [];
    const expected: string[] = [];
    for (const { path: file } of files) {
      line.breakNow();
      expected.push((await client.createInspection({ body: { snapshotId, file } })).inspectionId);
      const next = await events.next();
      if (!next.done) seen.push(next.value);
    }
    expect(seen.map((event) => (event.type === 'inspection.changed' ? event.inspectionId : event.type))).toEqual(
      expected,
    );
    const ended = events.next();
    abort.abort();
    expect((await ended).done).toBe(true);
    await line.close();
  });

  it('follows events across a restart of the server', async () => {
    const own = path.join(directory, 'restarted');
    let second = await startServer(own);
    const port = new URL(second.url).port;
    const caller = createApiClient(second);
    const files = await caller.uploadFiles(await writeProject(path.join(own, 'p'), { 'a.blend': randomBytes(10) }));
    const { snapshotId } = await caller.createSnapshot({ body: { files } });
    const abort = new AbortController();
    const events = caller.events({ signal: abort.signal });
    await events.next();
    second.process.kill('SIGKILL');
    second = await startServer(own, `127.0.0.1:${port}`);
    await caller.createInspection({ body: { snapshotId, file: 'a.blend' } });
    expect((await events.next()).value).toMatchObject({ type: 'inspection.changed', status: 'enqueued' });
    abort.abort();
    await stopProcess(second.process);
  });

  it('throws at once where events are asked of nobody, or of a server that refuses', async () => {
    await expect(createApiClient({ url: 'http://127.0.0.1:9' }).events().next()).rejects.toMatchObject({
      code: 'server-unreachable',
    });
    await expect(createApiClient({ url: server.url }).events().next()).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  it('saves an output under its name only when it arrived whole and right', async () => {
    const content = randomBytes(100_000);
    const hash = createContentHash();
    hash.update(content);
    const sha256 = hash.digest();
    expect(sha256).toBe(fileHash([await sha256Of(content)]));
    let sent: Buffer = content;
    const outputs = createServer((_request, response) => {
      response.writeHead(200, { etag: `"${sha256}"`, 'content-length': content.length });
      response.write(sent);
      if (sent.length < content.length) response.destroy();
      else response.end();
    });
    const far = createApiClient({ url: await listen(outputs) });
    const folder = path.join(directory, 'downloads');
    const target = path.join(folder, 'deep', '0001.png');
    sent = content.subarray(0, 50_000);
    await expect(far.downloadOutput('out_00000000', target)).rejects.toMatchObject({ code: 'server-unreachable' });
    sent = Buffer.alloc(content.length);
    await expect(far.downloadOutput('out_00000000', target)).rejects.toMatchObject({ code: 'chunk-mismatch' });
    expect(await readdir(path.dirname(target))).toEqual([]);
    sent = content;
    await far.downloadOutput('out_00000000', target);
    expect(await readFile(target)).toEqual(content);
    outputs.closeAllConnections();
    outputs.close();
  });
});

async function startServer(dataDir: string, listen = '127.0.0.1:0') {
  const child = spawn(process.execPath, [path.join(REPOSITORY, 'apps/server/src/main.ts')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PICTOR_HOME: path.join(REPOSITORY, 'node_modules/.cache/pictor'),
      PICTOR_DATA_DIR: dataDir,
      PICTOR_LISTEN: listen,
      PICTOR_EXIT_WITH_PARENT: '1',
    },
  });
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event !== 'ready') throw new Error(`the server did not start: ${line}\n${log}`);
    const token = (await readFile(path.join(dataDir, 'operator-token'), 'utf8')).trim();
    return { process: child, url: event.url as string, token };
  }
  throw new Error(`the server ended: ${log}`);
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
}

/** A line to `target` whose first connections break after some bytes, or when it is told to. */
async function startBrittleLine(target: URL, options: { breakAfterBytes?: number } = {}) {
  const breakAfterBytes = options.breakAfterBytes ?? 5_000_000;
  let broken = 0;
  const open = new Set<Socket>();
  const line: Server | ReturnType<typeof createTcpServer> = createTcpServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    let bytes = 0;
    open.add(near);
    const end = () => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (piece) => {
      bytes += piece.length;
      if (bytes < breakAfterBytes || broken >= 6) return;
      broken += 1;
      end();
    });
    near.pipe(far);
    far.pipe(near);
  });
  return {
    url: await listen(line),
    broken: () => broken,
    breakNow: () => {
      for (const socket of open) socket.destroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => line.close(resolve));
    },
  };
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function writeProject(folder: string, contents: Record<string, Buffer>) {
  const files = Object.keys(contents).map((name) => ({ path: name, absolutePath: path.join(folder, name) }));
  for (const { path: name, absolutePath } of files) {
    await mkdir(path.dirname(absolutePath), { recursive: true });
    await writeFile(absolutePath, contents[name] ?? '');
  }
  return files;
}

const sha256Of = async (bytes: Buffer) =>
  Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).toString('hex');
