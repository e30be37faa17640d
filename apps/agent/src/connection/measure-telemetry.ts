import { execFile } from 'node:child_process';
import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Heartbeat, RenderDevice } from '@pictor/protocol';

export type Telemetry = Heartbeat['telemetry'];

const run = promisify(execFile);

/** Asking the cards takes a process each time: heartbeats that come sooner repeat the last answer. */
const GPU_MS = 4000;

/**
 * Measures how busy the machine is. `cpuLoad` is the share of all threads that was busy since the last call, 0..1; the disk is
 * the one that holds `folder`. Graphics cards appear where `nvidia-smi` answers.
 */
export function createTelemetry(folder: string): { measure(devices: readonly RenderDevice[]): Promise<Telemetry> } {
  let before = cpuTimes();
  let gpus: Telemetry['gpus'] = [];
  let gpusMeasuredAt = Number.NEGATIVE_INFINITY;
  return {
    async measure(devices) {
      const now = cpuTimes();
      const total = now.total - before.total;
      const cpuLoad = total > 0 ? Math.min(1, Math.max(0, (now.busy - before.busy) / total)) : 0;
      before = now;
      if (devices.some(({ kind }) => kind === 'GPU') && performance.now() - gpusMeasuredAt > GPU_MS) {
        gpus = await measureGpus(devices);
        gpusMeasuredAt = performance.now();
      }
      return {
        cpuLoad,
        memoryUsedBytes: Math.max(0, totalmem() - (await availableMemoryBytes())),
        diskFreeBytes: await diskFreeBytes(folder),
        gpus,
      };
    },
  };
}

/** Free bytes on the disk that holds `folder`, for a process without special rights. */
export async function diskFreeBytes(folder: string): Promise<number> {
  const disk = await statfs(folder);
  return disk.bavail * disk.bsize;
}

function cpuTimes(): { busy: number; total: number } {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    total += all;
    busy += all - times.idle;
  }
  return { busy, total };
}

/** What programs could still get: freemem() alone counts the page cache as used. */
async function availableMemoryBytes(): Promise<number> {
  try {
    const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1];
    return kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
  } catch {
    return freemem();
  }
}

async function measureGpus(devices: readonly RenderDevice[]): Promise<Telemetry['gpus']> {
  try {
    const query = '--query-gpu=pci.bus_id,utilization.gpu,memory.used,temperature.gpu';
    const { stdout } = await run('nvidia-smi', [query, '--format=csv,noheader,nounits'], { timeout: 5000 });
    return stdout
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [bus = '', percent, mebibytes, temperature] = line.split(',').map((field) => field.trim());
        const device = devices.find(({ deviceId }) => shortBus(deviceId.replace(/^gpu-/, '')) === shortBus(bus));
        const measured = {
          utilisation: Math.min(1, (Number(percent) || 0) / 100),
          memoryUsedBytes: Math.round((Number(mebibytes) || 0) * 1024 ** 2),
          temperatureCelsius: Number(temperature) || 0,
        };
        return device === undefined ? [] : [{ deviceId: device.deviceId, ...measured }];
      });
  } catch {
    return [];
  }
}

/** `00000000:3B:00.0` and `0000:3b:00.0` are one card. */
function shortBus(bus: string): string {
  return bus.toLowerCase().replace(/^0+(?=[0-9a-f]{4}:)/, '');
}
