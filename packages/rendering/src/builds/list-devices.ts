import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BlenderBuild, RenderDevice } from '@pictor/protocol';
import { z } from 'zod';
import { type NvidiaCard, nvidiaCards } from './nvidia-cards.ts';

const run = promisify(execFile);
const LIST_WITHIN_MS = 120_000;
/** One of these exists wherever there is a card that Cycles can use. */
const CARD_NODES = ['/dev/nvidiactl', '/dev/kfd', '/dev/dri'];
/** `CUDA_NVIDIA H200_0000:3b:00`, sometimes with a suffix: where the card sits on the bus. */
const BUS = /([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2})(?:\.([0-9a-f]))?/i;

const CyclesCards = z.array(z.object({ backend: z.string(), id: z.string(), name: z.string() }));
type CyclesCard = z.infer<typeof CyclesCards>[number];

/**
 * What one Blender renders on: the CPU (`cpu`), and each card that Cycles sees (`gpu-<bus>`), once, with its fastest backend.
 * Blender is started only where there is a card.
 */
export async function listDevices(build: Pick<BlenderBuild, 'path'>): Promise<RenderDevice[]> {
  const cpu: RenderDevice = {
    deviceId: 'cpu',
    kind: 'CPU',
    name: cpus()[0]?.model.trim() || 'CPU',
    backend: null,
    memoryBytes: totalmem(),
  };
  if (!(await hasCard())) return [cpu];
  return [cpu, ...renderDevices(await cyclesCards(build.path), await nvidiaCards())];
}

/** Cycles names a card once for each backend that it has, best first. */
export function renderDevices(cards: CyclesCard[], nvidia: NvidiaCard[]): RenderDevice[] {
  const devices = new Map<string, RenderDevice>();
  for (const { backend, id, name } of cards) {
    const match = BUS.exec(id);
    if (!match?.[1]) continue;
    const bus = `${match[1].slice(-10).toLowerCase()}.${match[2] ?? '0'}`;
    const deviceId = `gpu-${bus}`;
    if (devices.has(deviceId)) continue;
    const memoryBytes = nvidia.find((card) => card.bus === bus)?.memoryBytes ?? 0;
    devices.set(deviceId, { deviceId, kind: 'GPU', name, backend, memoryBytes });
  }
  return [...devices.values()];
}

async function hasCard(): Promise<boolean> {
  const found = await Promise.all(
    CARD_NODES.map((node) =>
      access(node).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

async function cyclesCards(blender: string): Promise<CyclesCard[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pictor-devices-'));
  const file = join(folder, 'cards.json');
  const script = join(import.meta.dirname, 'list_devices.py');
  try {
    const args = ['-b', '--factory-startup', '--disable-autoexec', '--python', script, '--', file];
    await run(blender, args, { timeout: LIST_WITHIN_MS, maxBuffer: 16 * 1024 * 1024 });
    return CyclesCards.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // A driver that brings Blender down is no device.
    return [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
