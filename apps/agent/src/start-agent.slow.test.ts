import { execFile } from 'node:child_process';
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Report, receiptText } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ExampleProject, makeExampleScenes } from '../../../examples/scenes.ts';
import { announcedBuild, inspectionOf, leaseOf } from './testing/project-of.ts';
import { descendantsOf, isRunning, startTestAgent } from './testing/start-test-agent.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';
import { waitUntil } from './testing/wait-until.ts';

const run = promisify(execFile);

/** Far more than a test waits for: a frame that is in work until it is stopped. */
const ENDLESS = { samples: 1_000_000, resolution: { percent: 1000 } };

let shared: string;
let cube: ExampleProject;
let textured: ExampleProject;
let noCamera: ExampleProject;

beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), 'pictor-agent-scenes-'));
  ({ cube, textured, noCamera } = await makeExampleScenes(join(shared, 'scenes')));
});
afterAll(() => rm(shared, { recursive: true, force: true }));

describe('an agent', () => {
  test('renders a lease, uploads each frame, and signs what it delivers', async () => {
    const { server, agent } = await setup();
    const lease = await leaseOf(server, textured, [1, 3]);
    server.send({ type: 'lease', lease });

    const delivered = await reported(server, 'frame-delivered', 2);

    expect(delivered.map(({ attemptId }) => attemptId)).toEqual(lease.frames.map(({ attemptId }) => attemptId));
    expect(delivered.map(({ outputs }) => outputs.map(({ path }) => path))).toEqual([['0001.png'], ['0003.png']]);
    expect(delivered.map(({ warm }) => warm)).toEqual([false, true]);
    const hello = server.received.find((message) => message.type === 'hello');
    const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: hello?.publicKey } });
    for (const { attemptId, outputs, signature } of delivered) {
      const text = Buffer.from(receiptText(attemptId, outputs));
      expect(verify(null, text, key, Buffer.from(signature, 'base64url'))).toBe(true);
      for (const chunk of outputs.flatMap(({ chunks }) => chunks)) {
        expect(server.chunks.has(chunk)).toBe(true);
      }
    }
    await waitUntil('the lease is over and its scene warm', () => {
      const last = server.heartbeats().at(-1);
      return last?.leases.length === 0 && last.warm[0]?.snapshotId === lease.snapshotId && last.cached.length === 1;
    });
    expect(agent.events.map(({ event }) => event)).toEqual([
      'connected',
      'rendering',
      'opening',
      'rendering',
      'delivered',
      'delivered',
    ]);
  });

  test('fetches the files of the next lease while it renders, and no file twice', async () => {
    const { server } = await setup();
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1], { settings: ENDLESS }) });
    await waitUntil('the first lease renders', () => isRendering(server));
    const next = await leaseOf(server, textured, [1]);
    server.send({ type: 'lease', lease: next });

    await waitUntil('the files of the next are here', () =>
      next.manifest.files.every(({ chunks }) => chunks.every((chunk) => server.gets.includes(chunk))),
    );
    expect(server.reports).toEqual([]);
    expect(new Set(server.gets).size).toBe(server.gets.length);
  });

  test('stops a frame that the server stops, and goes on with the others', async () => {
    const { server } = await setup();
    const endless = await leaseOf(server, cube, [1], { settings: ENDLESS });
    server.send({ type: 'lease', lease: endless });
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [2]) });
    await waitUntil('the first renders', () => isRendering(server));

    const attemptIds = endless.frames.map(({ attemptId }) => attemptId);
    server.send({ type: 'stop-frames', leaseId: endless.leaseId, attemptIds, reason: 'The job was canceled.' });

    await reported(server, 'frame-delivered', 1);
    expect(server.reports).toHaveLength(1);
  });

  test('ends work on a lease that it lost', async () => {
    const { server } = await setup();
    const endless = await leaseOf(server, cube, [1, 2], { settings: ENDLESS });
    server.send({ type: 'lease', lease: endless });
    await waitUntil('it renders', () => isRendering(server));

    server.send({ type: 'heartbeat-ack', renewed: [], lost: [endless.leaseId] });

    await waitUntil('no lease is held', () => server.heartbeats().at(-1)?.leases.length === 0);
    expect(server.reports).toEqual([]);
  });

  test('reports what Blender could not do', async () => {
    const { server } = await setup();
    const lease = await leaseOf(server, noCamera, [1, 2]);
    server.send({ type: 'lease', lease });

    const [failed] = await reported(server, 'frame-failed', 1);
    expect(failed).toMatchObject({ attemptId: lease.frames[0]?.attemptId, failure: 'scene-invalid' });
  });

  test('tells of a frame that takes too long, and ends it at its last timeout', async () => {
    const { server } = await setup();
    const timeouts = { alertSeconds: 0.2, analysisSeconds: 0.4, stopSeconds: 1 };
    const lease = await leaseOf(server, cube, [1], { settings: ENDLESS, timeouts });
    server.send({ type: 'lease', lease });

    const [failed] = await reported(server, 'frame-failed', 1);
    expect(failed).toMatchObject({ attemptId: lease.frames[0]?.attemptId, failure: 'timed-out' });
    const alerts = await reported(server, 'frame-alert', 2);
    expect(alerts.map(({ level }) => level)).toEqual(['alert', 'analysis']);
  });

  test('reports a file that is no .blend, and goes on', async () => {
    const { server } = await setup();
    const task = await inspectionOf(server, cube);
    const files = [server.addFile('cube.blend', Buffer.from('BLENDER-v304 cut off'))];
    server.send({ type: 'inspect', task: { ...task, manifest: { files, remaps: [] } } });
    const [failed] = await reported(server, 'inspection-failed', 1);
    expect(failed?.failure).toBe('scene-invalid');

    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1]) });
    await reported(server, 'frame-delivered', 1);
  });

  test('says that its disk is full', async ({ skip }) => {
    const folder = await temporaryFolder();
    await mount(folder, 12).catch((error) => skip(`A small disk cannot be mounted here: ${error.message}`));
    const server = await startTestServer();
    const agent = await startTestAgent({ server: server.url, folder, home: shared });
    await agent.event('connected');
    const lease = await leaseOf(server, cube, [1, 2]);
    const large = server.addFile('large.vdb', randomBytes(14 * 1024 ** 2));
    lease.manifest.files.push(large);
    server.send({ type: 'lease', lease });

    const [failed] = await reported(server, 'frame-failed', 1);
    expect(failed?.failure).toBe('disk-full');
    await reported(server, 'lease-released', 1);
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1]) });
    await reported(server, 'frame-delivered', 1);
    agent.child.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
  });

  test('says which file the server does not have', async () => {
    const { server } = await setup();
    const lease = await leaseOf(server, textured, [1, 2]);
    server.chunks.clear();
    server.send({ type: 'lease', lease });

    const [failed] = await reported(server, 'frame-failed', 1);
    expect(failed?.failure).toBe('download-failed');
    const [released] = await reported(server, 'lease-released', 1);
    expect(released?.leaseId).toBe(lease.leaseId);
  });

  test('inspects a scene beside a frame that renders', async () => {
    const { server } = await setup();
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1], { settings: ENDLESS }) });
    await waitUntil('it renders', () => isRendering(server));
    server.send({ type: 'inspect', task: await inspectionOf(server, textured) });

    const [inspected] = await reported(server, 'inspection-succeeded', 1);
    expect(inspected?.report.references.map(({ kind }) => kind)).toContain('image');
  });

  test('goes on while the server is away, and delivers when it is back', async () => {
    const { server, agent } = await setup();
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1, 2, 3], { settings: { samples: 400 } }) });
    await waitUntil('the files are here', () => server.heartbeats().at(-1)?.cached.length === 1);
    await server.down();
    await waitUntil('all are rendered', () => agent.events.filter(({ event }) => event === 'rendering').length === 3);
    await server.up();

    const delivered = await reported(server, 'frame-delivered', 3);
    // Each is delivered as soon as its own upload gets through.
    const paths = delivered.map(({ outputs }) => outputs[0]?.path);
    expect(paths.toSorted()).toEqual(['0001.png', '0002.png', '0003.png']);
    expect(server.reports.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  test('sends reports again that were not acknowledged, also after kill -9', async () => {
    const { server, agent, restart } = await setup();
    server.acknowledges = false;
    const lease = await leaseOf(server, cube, [1]);
    server.send({ type: 'lease', lease });
    await reported(server, 'frame-delivered', 1);
    agent.child.kill('SIGKILL');
    await agent.exited;
    server.acknowledges = true;
    server.reports.length = 0;

    await restart();

    const [again] = await reported(server, 'frame-delivered', 1);
    expect(again?.attemptId).toBe(lease.frames[0]?.attemptId);
  });

  test('leaves nothing running when it is killed in mid-frame, and gives the lease back when it is up again', async () => {
    const { server, agent, restart } = await setup();
    const lease = await leaseOf(server, cube, [1, 2], { settings: ENDLESS });
    server.send({ type: 'lease', lease });
    await waitUntil('it renders', () => isRendering(server));
    const below = descendantsOf(agent.pid);
    expect(below.length).toBeGreaterThan(1);

    agent.child.kill('SIGKILL');
    await agent.exited;
    await waitUntil('everything below it ended', () => !below.some(isRunning));
    await restart();

    const [released] = await reported(server, 'lease-released', 1);
    expect(released).toMatchObject({ leaseId: lease.leaseId, token: lease.token });
    expect(server.reports.map(({ report }) => report.kind)).toEqual(['lease-released']);
  });

  test('drains on SIGTERM: finishes the frame in work, delivers it, gives the rest back, ends with code 0', async () => {
    const { server, agent, folder } = await setup();
    const lease = await leaseOf(server, cube, [1, 2, 3], { settings: { samples: 400 } });
    const next = await leaseOf(server, textured, [1]);
    server.send({ type: 'lease', lease });
    server.send({ type: 'lease', lease: next });
    await waitUntil('it renders', () => isRendering(server));
    const below = descendantsOf(agent.pid);

    agent.child.kill('SIGTERM');

    expect(await agent.exited).toBe(0);
    const delivered = await reported(server, 'frame-delivered', 1);
    const released = await reported(server, 'lease-released', 2);
    expect(server.reports).toHaveLength(3);
    expect(delivered[0]?.attemptId).toBe(lease.frames[0]?.attemptId);
    expect(released.map(({ leaseId }) => leaseId).sort()).toEqual([lease.leaseId, next.leaseId].sort());
    expect(agent.events.at(-1)).toEqual({ event: 'drained' });
    expect(below.some(isRunning)).toBe(false);
    expect(await readdir(join(folder, 'data'))).not.toContain('sessions');
    expect(await readdir(join(folder, 'data'))).not.toContain('agent.lock');
  });

  test('ends at once on a second SIGTERM, and gives its leases back', async () => {
    const { server, agent } = await setup();
    const lease = await leaseOf(server, cube, [1], { settings: ENDLESS });
    server.send({ type: 'lease', lease });
    await waitUntil('it renders', () => isRendering(server));
    const below = descendantsOf(agent.pid);
    agent.child.kill('SIGTERM');
    await agent.event('draining');

    agent.child.kill('SIGTERM');

    expect(await agent.exited).toBe(0);
    expect(below.some(isRunning)).toBe(false);
    const [released] = await reported(server, 'lease-released', 1);
    expect(released?.leaseId).toBe(lease.leaseId);
  });

  test('ends at once with the program that started it', async () => {
    const { server, agent } = await setup({ args: ['--exit-with-parent'] });
    server.send({ type: 'lease', lease: await leaseOf(server, cube, [1], { settings: ENDLESS }) });
    await waitUntil('it renders', () => isRendering(server));
    const below = descendantsOf(agent.pid);

    agent.child.stdin?.end();

    expect(await agent.exited).toBe(0);
    expect(below.some(isRunning)).toBe(false);
    await reported(server, 'lease-released', 1);
  });

  test('keeps its key to itself and shows its enrolment code once', async () => {
    const { server, agent, folder, restart } = await setup();
    agent.child.kill('SIGKILL');
    await agent.exited;
    await restart();

    const hellos = server.received.filter((message) => message.type === 'hello');
    expect(hellos.map(({ enrolmentCode }) => enrolmentCode)).toEqual(['code', undefined]);
    expect(new Set(hellos.map(({ publicKey }) => publicKey)).size).toBe(1);
    expect(new Set(hellos.map(({ instanceId }) => instanceId)).size).toBe(2);
    expect((await stat(join(folder, 'data/key.json'))).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(server.received)).not.toContain('PRIVATE KEY');
    expect(agent.stderr()).not.toContain('PRIVATE KEY');
  });

  test('refuses to share its data folder with a second agent', async () => {
    const { server, folder, agent } = await setup();
    const second = await startTestAgent({ server: server.url, folder, home: shared });

    expect(await second.exited).toBe(1);
    expect(second.events).toEqual([
      { event: 'failed', code: 'already-running', message: expect.stringContaining(`process ${agent.pid}`) },
    ]);
  });

  test('says why the server refuses it, and ends with code 2', async () => {
    const server = await startTestServer();
    server.refusal = 'revoked';
    const agent = await startTestAgent({ server: server.url, folder: await temporaryFolder(), home: shared });

    expect(await agent.exited).toBe(2);
    expect(agent.events).toEqual([{ event: 'refused', reason: 'revoked', message: 'The test refuses.' }]);
    expect(agent.stderr()).toContain('The test refuses.');
  });

  test('comes back when the connection breaks while it is idle', async () => {
    const { server, agent } = await setup();
    await server.down();
    await agent.event('disconnected');
    await server.up();

    await waitUntil('it is connected again', () => server.isConnected());
    await waitUntil('it says again what it can do', () => {
      return server.received.filter(({ type }) => type === 'capabilities').length === 2;
    });
  });

  test('takes less than 90 MB while it is idle', async () => {
    const { server, agent } = await setup();
    await waitUntil('it is idle', () => server.heartbeats().length > 2);
    const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
    const residentKibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);

    expect(residentKibibytes).toBeLessThan(90 * 1024);
  });
});

/** A small disk at a folder, gone after the test. Needs root. */
async function mount(folder: string, mebibytes: number): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder]);
  onTestFinished(async () => void (await run('umount', ['--lazy', folder])));
}

async function setup({ args = [] as string[] } = {}) {
  const folder = await temporaryFolder();
  const server = await startTestServer();
  const start = async () => {
    const agent = await startTestAgent({ server: server.url, folder, home: shared, args });
    await agent.event('connected');
    expect(announcedBuild(server)).toMatch(/^[0-9a-f]{64}$/);
    return agent;
  };
  return { folder, server, agent: await start(), restart: start };
}

function isRendering(server: TestServer): boolean {
  const phases = server.heartbeats().flatMap(({ progress }) => progress.map(({ phase }) => phase));
  return phases.includes('rendering');
}

async function reported<Kind extends Report['kind']>(
  server: TestServer,
  kind: Kind,
  count: number,
): Promise<Extract<Report, { kind: Kind }>[]> {
  return waitUntil(`${count} reports ${kind}`, () => {
    const found = server.reports.map(({ report }) => report).filter((report) => report.kind === kind);
    return found.length >= count && (found as Extract<Report, { kind: Kind }>[]);
  });
}
