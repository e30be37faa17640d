import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { CHUNK_BYTES, type SnapshotId, type WorkerId } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findMissingChunks } from '../assets/index.ts';
import { withTransaction } from '../db/index.ts';
import { publish } from '../outbox/index.ts';
import { fileOf, sha256, startTestApp, type TestApp } from '../testing/test-app.ts';
import { parseRange } from './output-stream.ts';

let server: TestApp;
beforeAll(async () => {
  server = await startTestApp();
});
afterAll(() => server.stop());

const putChunk = (bytes: Buffer, name = sha256(bytes)) =>
  server.fetch(`/v1/chunks/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes),
  });

const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code;

/** Every file below the store, so that nothing half-made hides. */
const storedFiles = async () =>
  (await readdir(server.storeDir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);

describe('chunks', () => {
  it('C1: stores a chunk under its hash, and takes it a second time', async () => {
    const bytes = randomBytes(3_000_000);
    expect((await putChunk(bytes)).status).toBe(204);
    expect((await putChunk(bytes)).status).toBe(204);
    expect(await findMissingChunks(server.store, [sha256(bytes)])).toEqual([]);
  });

  it('C1: leaves nothing of a chunk whose bytes have another hash', async () => {
    const before = await storedFiles();
    const response = await putChunk(randomBytes(100_000), '0'.repeat(64));
    expect(response.status).toBe(422);
    expect(await codeOf(response)).toBe('chunk-mismatch');
    expect(await storedFiles()).toEqual(before);
  });

  it('C1: refuses more than 16 MiB, announced or not, and leaves nothing', async () => {
    const before = await storedFiles();
    const response = await putChunk(Buffer.alloc(CHUNK_BYTES + 1));
    expect(response.status).toBe(413);
    const piece = Buffer.alloc(1024 * 1024);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const upload = request(`${server.url}/v1/chunks/${'1'.repeat(64)}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/octet-stream' },
      });
      upload.on('response', (reply) => resolve(reply.statusCode));
      upload.on('error', reject);
      for (let sent = 0; sent < 17; sent++) upload.write(piece);
      upload.end();
    });
    expect(status).toBe(413);
    expect(await storedFiles()).toEqual(before);
  });

  it('leaves nothing of a chunk whose sender went away', async () => {
    const before = await storedFiles();
    const upload = request(`${server.url}/v1/chunks/${'2'.repeat(64)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/octet-stream' },
    });
    upload.on('error', () => {});
    upload.write(randomBytes(2_000_000));
    await until(async () => (await storedFiles()).length > before.length);
    upload.destroy();
    await until(async () => (await storedFiles()).length === before.length);
  });

  it.each(['..%2f..%2fetc%2fpasswd', 'A'.repeat(64), 'short', '%00'])(
    'refuses %s as the name of a chunk',
    async (name) => {
      const response = await server.fetch(`/v1/chunks/${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: 'x',
      });
      expect(response.status).toBe(400);
    },
  );

  it('C3: a grant opens the chunks of its snapshot, no others, until it expires', async () => {
    const [mine, others] = [randomBytes(1000), randomBytes(1000)];
    await Promise.all([putChunk(mine), putChunk(others)]);
    const snapshotId = await commit([fileOf('a.blend', mine)]);
    const subject = {
      purpose: 'lease',
      leaseId: 'lse_00000000' as never,
      workerId: 'wrk_00000000' as WorkerId,
      snapshotId,
    } as const;
    const get = (bytes: Buffer, grant: string) =>
      fetch(`${server.url}/v1/agent/chunks/${sha256(bytes)}?grant=${encodeURIComponent(grant)}`);
    const grant = server.grants.sign(subject, 60);
    const opened = await get(mine, grant);
    expect(Buffer.from(await opened.arrayBuffer())).toEqual(mine);
    expect(await codeOf(await get(others, grant))).toBe('forbidden');
    expect(await codeOf(await get(mine, server.grants.sign(subject, -1)))).toBe('grant-expired');
    expect(await codeOf(await get(mine, `${grant.slice(0, -2)}xx`))).toBe('forbidden');
    const [payload = '', mac] = grant.split('.');
    const forged = Buffer.from(payload, 'base64url').toString().replace(snapshotId, 'snp_11111111');
    expect(await codeOf(await get(mine, `${Buffer.from(forged).toString('base64url')}.${mac}`))).toBe('forbidden');
    expect((await fetch(`${server.url}/v1/agent/chunks/${sha256(mine)}`)).status).toBe(400);
    const uploaded = randomBytes(500);
    const put = (grant: string) =>
      fetch(`${server.url}/v1/agent/chunks/${sha256(uploaded)}?grant=${encodeURIComponent(grant)}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(uploaded),
      });
    expect(await codeOf(await put('made.up'))).toBe('forbidden');
    expect((await put(grant)).status).toBe(204);
  });
});

describe('snapshots', () => {
  it('gives the same files the same id, in whatever order they come', async () => {
    const files = [
      fileOf('b.blend', await stored()),
      fileOf('textures/a.png', await stored()),
      fileOf('empty', Buffer.alloc(0)),
    ];
    const snapshotId = await commit(files);
    expect(await commit(files.toReversed())).toBe(snapshotId);
    expect(await commit(files.slice(1))).not.toBe(snapshotId);
    const snapshot = await (await server.fetch(`/v1/snapshots/${snapshotId}`)).json();
    expect(snapshot).toMatchObject({
      snapshotId,
      files: [{ path: 'b.blend' }, { path: 'empty' }, { path: 'textures/a.png' }],
    });
  });

  it('lists the chunks that were not uploaded', async () => {
    const file = fileOf('a.blend', randomBytes(10));
    const response = await post('/v1/snapshots', { files: [file] });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      error: { code: 'chunks-missing', details: { missing: file.chunks } },
    });
    const missing = await post('/v1/chunks/missing', { chunks: [...file.chunks, ...file.chunks] });
    expect(await missing.json()).toEqual({ missing: file.chunks });
  });

  it('C2: refuses a hash or a size that is not that of the chunks', async () => {
    const file = fileOf('a.blend', await stored());
    for (const wrong of [
      { sha256: '0'.repeat(64) },
      { sizeBytes: file.sizeBytes + 1 },
      { sizeBytes: CHUNK_BYTES + 1 },
    ]) {
      expect(await codeOf(await post('/v1/snapshots', { files: [{ ...file, ...wrong }] }))).toBe('validation');
    }
  });

  it.each(['../a', '/etc/passwd', 'a/../b', 'a//b', './a', 'a\\b', 'a\u0000b', ''])(
    'refuses the path %j',
    async (path) => {
      expect(await codeOf(await post('/v1/snapshots', { files: [fileOf(path, Buffer.alloc(0))] }))).toBe('validation');
    },
  );

  it.each([
    ['a.blend', 'a.blend'],
    ['Textures/Wood.png', 'textures/wood.png'],
    ['caf\u00e9.png', 'cafe\u0301.png'],
    ['Textures/a', 'textures/b'],
    ['a', 'a/b'],
    ['\ud800', 'b'],
  ])('refuses %j beside %j, which some machines cannot tell apart', async (...paths) => {
    const files = paths.map((path) => fileOf(path, Buffer.alloc(0)));
    expect(await codeOf(await post('/v1/snapshots', { files }))).toMatch(/^(path-invalid|validation)$/);
  });
});

describe('outputs', () => {
  it('S3: sends a file of several chunks whole and in ranges', async () => {
    const bytes = randomBytes(CHUNK_BYTES + 1000);
    const chunks = [bytes.subarray(0, CHUNK_BYTES), bytes.subarray(CHUNK_BYTES)];
    for (const chunk of chunks) await putChunk(chunk);
    const names = chunks.map((chunk) => sha256(chunk));
    const file = {
      path: 'depth/Bild "ä"0001.exr',
      sizeBytes: bytes.length,
      sha256: sha256(names.join('')),
      chunks: names,
    };
    server.outputs.set('out_00000001', file);
    const get = (headers: Record<string, string> = {}) => server.fetch('/v1/outputs/out_00000001/content', { headers });

    const whole = await get();
    expect(sha256(Buffer.from(await whole.arrayBuffer()))).toBe(sha256(bytes));
    expect(whole.headers.get('content-type')).toBe('image/x-exr');
    expect(whole.headers.get('content-disposition')).toBe(
      `attachment; filename="Bild ___0001.exr"; filename*=UTF-8''Bild%20%22%C3%A4%220001.exr`,
    );
    expect(whole.headers.get('content-security-policy')).toContain('sandbox');

    for (const [range, start, end] of [
      ['bytes=0-0', 0, 1],
      [`bytes=${CHUNK_BYTES - 5}-${CHUNK_BYTES + 5}`, CHUNK_BYTES - 5, CHUNK_BYTES + 6],
      [`bytes=${CHUNK_BYTES + 990}-`, CHUNK_BYTES + 990, bytes.length],
      ['bytes=-7', bytes.length - 7, bytes.length],
      [`bytes=${bytes.length - 1}-${bytes.length + 100}`, bytes.length - 1, bytes.length],
    ] as const) {
      const part = await get({ range });
      expect(part.status).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${bytes.length}`);
      expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(start, end))).toBe(true);
    }
    expect((await get({ range: `bytes=${bytes.length}-` })).status).toBe(416);
    expect((await get({ range: 'bytes=0-1', 'if-range': '"another"' })).status).toBe(200);
    expect((await get({ 'if-none-match': `"${file.sha256}"` })).status).toBe(304);
    expect((await server.fetch('/v1/outputs/out_00000002/content')).status).toBe(404);
  });

  it('reads ranges as HTTP has them', () => {
    expect(parseRange('bytes=2-1', 10)).toBe(null);
    expect(parseRange('bytes=0-1,3-4', 10)).toBe(null);
    expect(parseRange('lines=0-1', 10)).toBe(null);
    expect(parseRange('bytes=-', 10)).toBe(null);
    expect(parseRange('bytes=-0', 10)).toBe('unsatisfiable');
    expect(parseRange('bytes=-20', 10)).toEqual({ start: 0, end: 9 });
  });
});

describe('events', () => {
  it('S4: streams what is published, and resumes by Last-Event-ID', async () => {
    const send = (reason: string) =>
      withTransaction(server.database.db, (tx) =>
        publish(tx, { type: 'job.changed', jobId: 'job_00000001' as never, status: 'rendering', reason }),
      );
    const first = await openEvents();
    expect((await first.next()).data).toEqual({ type: 'resync' });
    await send('one');
    const one = await first.next();
    expect(one.data).toMatchObject({ type: 'job.changed', reason: 'one' });
    first.close();
    await send('two');
    const second = await openEvents(one.id);
    expect((await second.next()).data).toMatchObject({ reason: 'two' });
    second.close();
  });

  async function openEvents(lastEventId = '') {
    const abort = new AbortController();
    const response = await server.fetch('/v1/events', {
      signal: abort.signal,
      headers: lastEventId ? { 'last-event-id': lastEventId } : {},
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    return {
      close: () => abort.abort(),
      async next(): Promise<{ id: string; data: unknown }> {
        for (;;) {
          const end = text.indexOf('\n\n');
          if (end === -1) {
            const { value, done } = await reader.read();
            if (done) throw new Error('the stream ended');
            text += value;
            continue;
          }
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data) return { id: /^id: (.*)$/m.exec(block)?.[1] ?? '', data: JSON.parse(data) };
        }
      },
    };
  }
});

const post = (path: string, body: unknown) =>
  server.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

async function commit(files: unknown[]): Promise<SnapshotId> {
  const response = await post('/v1/snapshots', { files });
  expect(response.status).toBe(200);
  return ((await response.json()) as { snapshotId: SnapshotId }).snapshotId;
}

async function stored(): Promise<Buffer> {
  const bytes = randomBytes(1000);
  await putChunk(bytes);
  return bytes;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited 30 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
