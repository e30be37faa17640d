import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const QUERY_WITHIN_MS = 20_000;

export interface NvidiaCard {
  /** As Linux writes it: `0000:3b:00.0`. */
  bus: string;
  name: string;
  memoryBytes: number;
}

/** What `nvidia-smi` lists; empty where there is none. */
export async function nvidiaCards(): Promise<NvidiaCard[]> {
  const args = ['--query-gpu=pci.bus_id,name,memory.total', '--format=csv,noheader,nounits'];
  const { stdout } = await run('nvidia-smi', args, { timeout: QUERY_WITHIN_MS }).catch(() => ({ stdout: '' }));
  return parseNvidiaCards(stdout);
}

/** Lines such as `00000000:3B:00.0, NVIDIA H200, 143771`. */
export function parseNvidiaCards(csv: string): NvidiaCard[] {
  return csv.split('\n').flatMap((line) => {
    const match = /^[0-9a-f]{4}([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]), (.+), (\d+)$/i.exec(line.trim());
    if (!match?.[1] || !match[2]) return [];
    return [{ bus: match[1].toLowerCase(), name: match[2], memoryBytes: Number(match[3]) * 1024 * 1024 }];
  });
}
