import { ROUTES } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testing/test-app.ts';
import { buildApp } from './build-app.ts';

describe(buildApp.name, () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startTestApp({
      health: async () => ({ status: 'ok', version: '0', workersOnline: 0 }),
      listJobs: async () => ({ jobs: [{ wrong: true }] }) as never,
    });
  });
  afterAll(() => server.stop());

  const everyRoute = [
    ...Object.values(ROUTES),
    { method: 'PUT', path: `/v1/chunks/${'0'.repeat(64)}`, access: 'operator' },
    { method: 'GET', path: '/v1/outputs/out_00000000/content', access: 'operator' },
    { method: 'GET', path: '/v1/events', access: 'operator' },
  ].filter((route) => route.access === 'operator');

  it.each(everyRoute)('$method $path is closed to whoever has no token, or another one', async ({ method, path }) => {
    const url = server.url + path.replace(/:\w+/, 'x');
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic eDp5' }]) {
      const response = await fetch(url, { method, headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: 'unauthenticated', details: {} } });
    }
  });

  it('does not start with a route that does not say who may call it', () => {
    expect(() => server.app.get('/open', async () => 'secret')).toThrow();
  });

  it('refuses what breaks the contract, with the place in the body', async () => {
    const response = await server.fetch('/v1/inspections', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ snapshotId: 'snp_00000000', file: '../secret.blend' }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: 'validation', details: { issues: [{ path: 'file' }] }, requestId: expect.any(String) },
    });
  });

  it('refuses JSON that is none, and a body that is too large', async () => {
    const post = (body: string) =>
      server.fetch('/v1/inspections', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    expect(await (await post('{')).json()).toMatchObject({ error: { code: 'validation' } });
    expect(await (await post('"'.padEnd(2_000_000))).json()).toMatchObject({ error: { code: 'too-large' } });
  });

  it('answers a broken reply of its own with a dull 500', async () => {
    const response = await server.fetch('/v1/jobs');
    expect(response.status).toBe(500);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe('internal');
    expect(error.message).not.toContain('contract');
  });

  it('names what is not there', async () => {
    const response = await server.fetch('/v1/nothing');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'not-found' } });
  });

  it('sends headers that keep browsers from running anything', async () => {
    const { headers } = await fetch(`${server.url}/health`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('describes every route in OpenAPI, with its schemas', async () => {
    const document = (await (await fetch(`${server.url}/v1/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string; requestBody?: unknown }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(operations.map((operation) => operation.operationId)).toEqual(expect.arrayContaining(Object.keys(ROUTES)));
    expect(document.paths['/v1/jobs']?.post?.requestBody).toMatchObject({
      content: { 'application/json': { schema: { type: 'object', required: expect.arrayContaining(['settings']) } } },
    });
  });
});
