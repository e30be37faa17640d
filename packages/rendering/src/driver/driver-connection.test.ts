import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ChannelClosed, DriverConnection, DriverMisbehaved } from './driver-connection.ts';

let folder: string;
let connection: DriverConnection;
let inside: Socket;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-channel-'));
  const server = createServer();
  server.listen(join(folder, 'channel'));
  await once(server, 'listening');
  inside = connect(join(folder, 'channel'));
  const [outside] = (await once(server, 'connection')) as [Socket];
  server.close();
  connection = new DriverConnection(outside);
});
afterEach(async () => {
  inside.destroy();
  await rm(folder, { recursive: true, force: true });
});

const request = () => connection.request({ command: 'render' }, z.object({ frames: z.number() }));

describe('the driver is believed in the shape of its answers only', () => {
  test('an answer that fits is given on', async () => {
    inside.write('{"event":"ready","version":"3.4.1"}\n');
    expect(await connection.ready).toBe('3.4.1');
    inside.once('data', () => inside.write('{"id":1,"ok":true,"result":{"frames":2}}\n'));
    expect(await request()).toEqual({ frames: 2 });
  });

  test('a failure keeps its kind', async () => {
    inside.once('data', () => inside.write('{"id":1,"ok":false,"kind":"no-output","message":"nothing"}\n'));
    await expect(request()).rejects.toMatchObject({ kind: 'no-output', message: 'nothing' });
  });

  test.each([
    ['no JSON', 'hello\n'],
    ['an answer to another command', '{"id":7,"ok":true,"result":{"frames":2}}\n'],
    ['a result of another shape', '{"id":1,"ok":true,"result":{"frames":"many"}}\n'],
    ['a kind of failure that does not exist', '{"id":1,"ok":false,"kind":"world-ended","message":""}\n'],
    ['an endless line', 'x'.repeat(33 * 1024 * 1024)],
  ])('%s ends the connection', async (_, text) => {
    inside.once('data', () => inside.write(text));
    await expect(request()).rejects.toBeInstanceOf(DriverMisbehaved);
    await expect(request()).rejects.toBeInstanceOf(DriverMisbehaved);
  });

  test('an answer that nobody asked for ends the connection', async () => {
    inside.write('{"id":1,"ok":true,"result":{"frames":2}}\n');
    await expect(connection.ready).rejects.toBeInstanceOf(DriverMisbehaved);
  });

  test('a closed channel ends the command in work', async () => {
    inside.once('data', () => inside.end());
    await expect(request()).rejects.toBeInstanceOf(ChannelClosed);
  });
});
