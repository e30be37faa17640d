import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const path = join(import.meta.dirname, '../docs/benchmarks.md');

/** The machine that a table was measured on, in one line. */
export function describeMachine(): string {
  const blender = execFileSync('blender', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${cpus()[0]?.model}, ${memory} GiB, no GPU, ${blender}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
}

/** Replaces the section `name` of docs/benchmarks.md (between its two markers) and leaves the others as they are. */
export async function writeSection(name: string, markdown: string): Promise<void> {
  const begin = `<!-- begin ${name} -->`;
  const end = `<!-- end ${name} -->`;
  const text = await readFile(path, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no section "${name}": add its two markers`);
  await writeFile(path, `${text.slice(0, from + begin.length)}\n${markdown.trim()}\n${text.slice(to)}`);
}
