import { mkdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { BlenderBuild, Heartbeat, LeaseId } from '@pictor/protocol';
import { createOutputDecoder, type OutputDecoder } from '@pictor/rendering';
import type { Measured } from '../capabilities/measure-capabilities.ts';
import { sandboxSlots } from '../identity/sandbox-slots.ts';
import { createDeviceBlender, type DeviceBlender } from './device-blender.ts';
import { createDeviceQueue, type DeviceQueue, type DeviceQueueOptions } from './device-queue.ts';
import type { HeldLease } from './held-lease.ts';

/** The rest is for the agent and the system: a scene that wants everything must not take them down. */
const MEMORY_SHARE = 0.9;

/** All devices of this machine, each with its Blender and its leases. */
export interface RunningDevices {
  /** Starts the devices that do not run yet; leases may name the builds of this measurement from now on. */
  start(measured: Measured): Promise<void>;
  queue(deviceId: string): DeviceQueue | undefined;
  lease(leaseId: LeaseId): HeldLease | undefined;
  leases(): HeldLease[];
  warmScenes(): Heartbeat['warm'];
  /** The Blender of an idle device, else of any; undefined where no Blender was found. */
  blenderToInspect(): DeviceBlender | undefined;
  findBuild(sha256: string): BlenderBuild | undefined;
  drain(): Promise<void>;
  /** Stops all work and gives the leases back; the reports are on disk then. */
  abandon(reason: string): Promise<void>;
  /** Ends every process of every device. */
  close(): Promise<void>;
}

export interface RunningDevicesOptions
  extends Omit<DeviceQueueOptions, 'device' | 'blender' | 'decoder' | 'findBuild'> {
  dataDir: string;
  /** Folder of the sandboxes, private to this agent. */
  sessionsDir: string;
}

export function createRunningDevices(options: RunningDevicesOptions): RunningDevices {
  const { dataDir, sessionsDir } = options;
  const slots = sandboxSlots(dataDir);
  const devices = new Map<string, { queue: DeviceQueue; blender: DeviceBlender }>();
  let builds: BlenderBuild[] = [];
  let decoder: OutputDecoder | null = null;

  const findBuild = (sha256: string) => builds.find((build) => build.sha256 === sha256);
  const leases = () => [...devices.values()].flatMap(({ queue }) => queue.leases());
  const all = (work: (device: { queue: DeviceQueue; blender: DeviceBlender }) => Promise<void>) =>
    Promise.all([...devices.values()].map(work)).then(() => undefined);

  return {
    async start(measured) {
      builds = measured.builds;
      const [preferredBuild] = builds;
      if (preferredBuild === undefined) {
        return;
      }
      const { sandbox } = measured;
      const workDir = join(sessionsDir, 'decoder');
      await mkdir(workDir, { recursive: true });
      const frameDecoder = decoder ?? createOutputDecoder({ sandbox, workDir, slot: slots.decoder });
      decoder = frameDecoder;
      for (const device of measured.devices.filter(({ deviceId }) => !devices.has(deviceId))) {
        const position = devices.size;
        const blender = createDeviceBlender({
          device,
          preferredBuild,
          sandbox,
          workDir: join(sessionsDir, `device-${position}`),
          slot: slots.firstDevice + position,
          memoryLimitBytes: Math.floor(totalmem() * MEMORY_SHARE),
        });
        const queue = createDeviceQueue({ ...options, device, blender, decoder: frameDecoder, findBuild });
        devices.set(device.deviceId, { queue, blender });
      }
    },
    queue: (deviceId) => devices.get(deviceId)?.queue,
    lease: (leaseId) => leases().find((held) => held.lease.leaseId === leaseId),
    leases,
    warmScenes: () =>
      [...devices].flatMap(([deviceId, { blender }]) => {
        const scene = blender.warmScene();
        return scene === null ? [] : [{ deviceId, ...scene }];
      }) as Heartbeat['warm'],
    blenderToInspect() {
      const running = [...devices.values()];
      return (running.find(({ queue }) => queue.isIdle()) ?? running[0])?.blender;
    },
    findBuild,
    drain: () => all(({ queue }) => queue.drain()),
    abandon: (reason) => all(({ queue }) => queue.abandon(reason)),
    async close() {
      await Promise.allSettled([...devices.values()].map(({ blender }) => blender.close()));
      await decoder?.close();
    },
  };
}
