import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeSandbox } from '../sandbox/index.ts';
import { findBlenders, listDevices, probeBuild } from './index.ts';
import { renderDevices } from './list-devices.ts';
import { parseNvidiaCards } from './nvidia-cards.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-builds-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('Blenders on this machine', () => {
  test('are found on the search path and where they are said to be, each once', async () => {
    const onPath = await findBlenders([]);
    expect(onPath.length).toBeGreaterThan(0);
    const link = join(folder, 'blender');
    await symlink(onPath[0] ?? '', link);
    expect(await findBlenders([link, folder])).toEqual(onPath);
  });

  test('a given path that is none is refused by name', async () => {
    const text = join(folder, 'notes.txt');
    await writeFile(text, 'no program');
    await expect(findBlenders([text])).rejects.toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining(text),
    });
  });

  test('are probed by rendering with them, once', async () => {
    const [path = ''] = await findBlenders([]);
    const sandbox = await probeSandbox();
    const cacheFile = join(folder, 'builds.json');
    const build = await probeBuild(path, sandbox, cacheFile);
    expect(build).toMatchObject({ path, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(build.version).toMatch(/^\d+\.\d+/);
    expect(build.engines).toContain('CYCLES');
    const cached = await readFile(cacheFile, 'utf8');
    expect(await probeBuild(path, sandbox, cacheFile)).toEqual(build);
    expect(await readFile(cacheFile, 'utf8')).toBe(cached);
  });

  test('an executable that is no Blender is refused with what it said', async () => {
    await chmod(folder, 0o755);
    const script = join(folder, 'not-blender');
    await writeFile(script, '#!/bin/sh\necho "I am not Blender" >&2\nexit 3\n', { mode: 0o755 });
    const probing = probeBuild(script, await probeSandbox(), join(folder, 'other.json'));
    await expect(probing).rejects.toMatchObject({
      code: 'setup-missing',
      message: expect.stringContaining('I am not Blender'),
    });
  });
});

describe('devices', () => {
  test('begin with the CPU', async () => {
    const [path = ''] = await findBlenders([]);
    const [cpu] = await listDevices({ path });
    expect(cpu).toMatchObject({ deviceId: 'cpu', kind: 'CPU', backend: null });
    expect(cpu?.memoryBytes).toBeGreaterThan(0);
  });

  test('name a card once, by its place on the bus, with its fastest backend and its memory', () => {
    const cards = [
      { backend: 'OPTIX', id: 'CUDA_NVIDIA H200_0000:3b:00_OptiX', name: 'NVIDIA H200' },
      { backend: 'CUDA', id: 'CUDA_NVIDIA H200_0000:3b:00', name: 'NVIDIA H200' },
      { backend: 'HIP', id: 'HIP_AMD Radeon_0000:0a:00', name: 'AMD Radeon' },
    ];
    const nvidia = parseNvidiaCards('00000000:3B:00.0, NVIDIA H200, 143771\n');
    expect(renderDevices(cards, nvidia)).toEqual([
      {
        deviceId: 'gpu-0000:3b:00.0',
        kind: 'GPU',
        name: 'NVIDIA H200',
        backend: 'OPTIX',
        memoryBytes: 150_754_820_096,
      },
      { deviceId: 'gpu-0000:0a:00.0', kind: 'GPU', name: 'AMD Radeon', backend: 'HIP', memoryBytes: 0 },
    ]);
  });
});
