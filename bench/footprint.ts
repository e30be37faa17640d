import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { startNetwork } from '../e2e/network.ts';
import { describeMachine, writeSection } from './write-section.ts';

/*
 * ./pictor bench footprint: resident memory of an idle network, by process. Pages that processes share are counted in proportion
 * (Pss), beside the plain resident size (Rss) that the targets speak of.
 */

interface ProcessMemory {
  pid: number;
  parent: number;
  program: string;
  residentBytes: number;
  proportionalBytes: number;
}

async function readProcess(pid: number): Promise<ProcessMemory | null> {
  try {
    const [status, rollup, executable] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/exe`).catch(() => ''),
    ]);
    const kilobytes = (text: string, name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return {
      pid,
      parent: kilobytes(status, 'PPid'),
      program: executable.split('/').at(-1) ?? '',
      residentBytes: kilobytes(status, 'VmRSS') * 1024,
      proportionalBytes: kilobytes(rollup, 'Pss') * 1024,
    };
  } catch {
    return null;
  }
}

/** All processes below `pid`, itself first. */
async function readTree(pid: number): Promise<ProcessMemory[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(readProcess))).filter((row) => row !== null);
  const below = (parent: number): ProcessMemory[] =>
    all.filter((row) => row.parent === parent).flatMap((row) => [row, ...below(row.pid)]);
  return [...all.filter((row) => row.pid === pid), ...below(pid)];
}

const network = await startNetwork({ agents: 1 });
try {
  // Idle means: probing is over, the standby waits, what was allocated at start has been collected.
  await sleep(30_000);
  const mebibytes = (rows: ProcessMemory[], key: 'residentBytes' | 'proportionalBytes') =>
    (rows.reduce((sum, row) => sum + row[key], 0) / 2 ** 20).toFixed(0);
  const server = await readTree(network.server.child.pid as number);
  const agent = await readTree(network.agents[0]?.child.pid as number);
  const own = (rows: ProcessMemory[]) => rows.slice(0, 1);
  const among = (rows: ProcessMemory[], test: (row: ProcessMemory) => boolean) => rows.slice(1).filter(test);
  const lines: [string, ProcessMemory[], string][] = [
    ['server', own(server), '150'],
    ['PostgreSQL and its guard', among(server, () => true), ''],
    ['agent', own(agent), '90'],
    ['standby Blender and its sandbox', among(agent, (row) => row.program !== 'node'), ''],
  ];
  const text = [
    `${describeMachine()}; 30 s after start, nothing to do.`,
    [
      '| idle | resident, MiB | proportional, MiB | target |',
      '| --- | --- | --- | --- |',
      ...lines.map(
        ([name, rows, target]) =>
          `| ${name} | ${mebibytes(rows, 'residentBytes')} | ${mebibytes(rows, 'proportionalBytes')} | ${target && `under ${target}`} |`,
      ),
    ].join('\n'),
  ].join('\n\n');
  console.log(text);
  await writeSection('footprint', text);
} finally {
  await network.stop();
}
