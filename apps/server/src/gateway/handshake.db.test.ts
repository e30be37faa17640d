import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { WorkerId } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { FakeAgent, makeKey, someCapabilities } from '../testing/fake-agent.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { startTestNetwork, type TestNetwork, until } from '../testing/test-network.ts';

let database: TestDatabase;
let network: TestNetwork;
beforeAll(async () => {
  database = await startTestDatabase();
  network = await startTestNetwork(database);
});
afterAll(async () => {
  await network.stop();
  expect(network.problems).toEqual([]);
  await database.stop();
});

const workerOf = async (agent: FakeAgent) => {
  const { workers } = await network.handlers.listWorkers({});
  return workers.find((worker) => worker.workerId === agent.config.workerId);
};
const refused = (reason: string) => ({ type: 'refused', reason });

describe('the handshake', () => {
  it('enrols a key with the code of its worker, and welcomes the key without it (H1, H2, H3)', async () => {
    const agent = await network.agent('enrols');
    expect(await workerOf(agent)).toMatchObject({ status: 'offline', enrolled: false, hostname: null });
    expect(await agent.connect()).toMatchObject({ type: 'welcome', protocolVersion: 1, lastSequence: 0 });
    expect(await workerOf(agent)).toMatchObject({ enrolled: true, hostname: 'host-of-enrols' });
    await agent.vanish();
    expect(await agent.connect({ enrolmentCode: undefined })).toMatchObject({ type: 'welcome' });
    await agent.vanish();
  });

  it('refuses a second use of the code, and names the machine that used it (H3)', async () => {
    const agent = await network.agent('first');
    await agent.connect();
    await agent.vanish();
    const second = new FakeAgent(agent.config, network.store);
    const answer = await second.connect();
    expect(answer).toMatchObject(refused('enrolment-code-used'));
    expect(answer).toMatchObject({ message: expect.stringContaining('host-of-first') });
  });

  it('lets one of two agents enrol that use the code at once', async () => {
    const agent = await network.agent('race');
    const rival = new FakeAgent(agent.config, network.store);
    const answers = await Promise.all([agent.connect(), rival.connect()]);
    expect(answers.map((answer) => answer.type).sort()).toEqual(['refused', 'welcome']);
    await Promise.all([agent.vanish(), rival.vanish()]);
  });

  it('refuses a second live connection with one key, and names the first (H4)', async () => {
    const agent = await network.agent('only one');
    await agent.connect();
    const twin = new FakeAgent(agent.config, network.store, { key: agent.key });
    const answer = await twin.connect();
    expect(answer).toMatchObject(refused('already-connected'));
    expect(answer).toMatchObject({ message: expect.stringContaining('host-of-only one') });
    agent.send({ type: 'capabilities', capabilities: someCapabilities() });
    await until('the first one is still served', async () => (await workerOf(agent))?.capabilities);
    await agent.vanish();
  });

  it('lets a reconnecting agent replace its own connection (H4)', async () => {
    const agent = await network.agent('reconnects');
    await agent.connect();
    const again = new FakeAgent(agent.config, network.store, { key: agent.key, instanceId: agent.instanceId });
    expect(await again.connect()).toMatchObject({ type: 'welcome' });
    await agent.closed.promise;
    expect(network.presence.get(agent.config.workerId)).toBeDefined();
    await again.vanish();
  });

  it('refuses another key, and a proof by another key (H2)', async () => {
    const agent = await network.agent('key');
    await agent.connect();
    await agent.vanish();
    const stranger = new FakeAgent(agent.config, network.store);
    expect(await stranger.connect({ enrolmentCode: undefined })).toMatchObject(refused('wrong-key'));
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(await agent.connect({}, privateKey)).toMatchObject(refused('wrong-key'));
  });

  it('does not enrol a key whose owner does not prove it', async () => {
    const agent = await network.agent('unproven');
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(await agent.connect({}, privateKey)).toMatchObject(refused('wrong-key'));
    expect(await workerOf(agent)).toMatchObject({ enrolled: false });
  });

  it('refuses a revoked key, at once where it is connected', async () => {
    const agent = await (await network.agent('revoked')).start();
    await network.handlers.revokeWorker({ params: { workerId: agent.config.workerId as WorkerId } });
    expect(await agent.take('refused')).toMatchObject(refused('revoked'));
    await agent.closed.promise;
    expect(await agent.connect()).toMatchObject(refused('revoked'));
    expect(await workerOf(agent)).toMatchObject({
      status: 'suspended',
      statusReason: expect.stringContaining('revoked'),
    });
  });

  it('compares versions before anything else (H5)', async () => {
    const agent = await network.agent('versions');
    expect(await agent.connect({ protocolVersion: 0 })).toMatchObject(refused('agent-too-old'));
    expect(await agent.connect({ protocolVersion: 2 })).toMatchObject(refused('server-too-old'));
    await agent.open();
    agent.sendText(JSON.stringify({ type: 'hello', protocolVersion: 7, somethingNew: true }));
    expect(await agent.take('refused')).toMatchObject(refused('server-too-old'));
  });

  it('refuses a worker it does not know, a wrong code, and none', async () => {
    const agent = await network.agent('codes');
    expect(await agent.connect({ workerId: 'wrk_0000000000' as WorkerId })).toMatchObject(refused('unknown-worker'));
    expect(await agent.connect({ enrolmentCode: 'guessed' })).toMatchObject(refused('enrolment-code-wrong'));
    expect(await agent.connect({ enrolmentCode: undefined })).toMatchObject(refused('not-enrolled'));
  });

  it('refuses what it does not understand, and says what', async () => {
    const agent = await network.agent('nonsense');
    await agent.open();
    agent.sendText('{');
    expect(await agent.take('refused')).toMatchObject(refused('malformed'));
    await agent.open();
    agent.send({ type: 'proof', signature: 'x' });
    expect(await agent.take('refused')).toMatchObject(refused('malformed'));
    expect(await agent.connect({ publicKey: 'short' })).toMatchObject(refused('malformed'));
    await agent.connect();
    agent.sendText(JSON.stringify({ type: 'report', sequence: 0, report: { kind: 'frame-delivered' } }));
    expect((await agent.take('refused')).message).toContain('report: sequence');
  });

  it('serves nobody on other paths', async () => {
    const socket = new WebSocket(`${network.url.replace('http', 'ws')}/v1/agents`);
    const [request, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(404);
    request.destroy();
  });
});

describe('the status of a worker', () => {
  it('follows its connection and the wish of its owner', async () => {
    const agent = await (await network.agent('status', { key: makeKey() })).start();
    const params = { workerId: agent.config.workerId };
    await until('it is idle', async () => (await workerOf(agent))?.status === 'idle');
    expect(await network.handlers.drainWorker({ params })).toMatchObject({ status: 'paused' });
    await agent.vanish();
    await until('it is offline', async () => (await workerOf(agent))?.status === 'offline');
    await agent.start();
    await until('it is paused again', async () => (await workerOf(agent))?.status === 'paused');
    expect(await network.handlers.resumeWorker({ params })).toMatchObject({ status: 'idle' });
    await agent.heartbeat([], { draining: true });
    await until('it is draining', async () => (await workerOf(agent))?.status === 'draining');
    await agent.vanish();
  });

  it('says that a worker without Blender gets no work', async () => {
    const agent = await (await network.agent('bare')).start({ builds: [] });
    await until('the reason', async () => (await workerOf(agent))?.statusReason?.includes('no Blender'));
    await agent.vanish();
  });
});
