import { readdir, readFile } from 'node:fs/promises';

/** Ticks per second in /proc on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process and its living descendants have used so far. */
export async function cpuSecondsOfTree(root: number): Promise<number> {
  const processes = new Map<number, { parent: number; ticks: number }>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The name in parentheses may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    processes.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
  }
  let ticks = 0;
  for (const [pid, { ticks: own }] of processes) {
    if (descendsFrom(root, pid, processes)) ticks += own || 0;
  }
  return ticks / TICKS_PER_SECOND;
}

function descendsFrom(root: number, pid: number, processes: Map<number, { parent: number }>): boolean {
  for (let current: number | undefined = pid; current; current = processes.get(current)?.parent) {
    if (current === root) return true;
  }
  return false;
}
