import { readdir, readFile, realpath } from 'node:fs/promises';
import type { RenderDevice } from '@pictor/protocol';

const GPU_ID = /^gpu-([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])$/;

/** Paths of the device nodes that rendering on a device needs: none for the CPU, for a card its own and those shared by all. */
export async function deviceNodes(device: RenderDevice): Promise<string[]> {
  const bus = GPU_ID.exec(device.deviceId)?.[1];
  if (device.kind === 'CPU' || !bus) return [];
  const wanted = [...(await renderNodes(bus)), ...(await nvidiaNodes(bus))];
  if (device.backend === 'HIP') wanted.push('/dev/kfd');
  const existing = new Set((await readdir('/dev')).map((name) => `/dev/${name}`));
  return wanted.filter((path) => existing.has(path) || path.startsWith('/dev/dri/'));
}

async function renderNodes(bus: string): Promise<string[]> {
  const path = await realpath(`/dev/dri/by-path/pci-${bus}-render`).catch(() => null);
  return path ? [path] : [];
}

async function nvidiaNodes(bus: string): Promise<string[]> {
  const facts = await readFile(`/proc/driver/nvidia/gpus/${bus}/information`, 'utf8').catch(() => '');
  const minor = /^Device Minor:\s*(\d+)/m.exec(facts)?.[1];
  if (minor === undefined) return [];
  return [`/dev/nvidia${minor}`, '/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia-uvm-tools'];
}
