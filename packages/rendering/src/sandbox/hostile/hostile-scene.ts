import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Attack } from './attacks.ts';

const MAKER = join(import.meta.dirname, 'make_hostile_scenes.py');

const PREAMBLE = `
import ctypes, json, os, socket, subprocess, sys, time
import bpy
T = json.loads(os.environ['KNOWN_TO_THE_ATTACKER'])
OUT = T['out']
def loot(text):
    print(text, flush=True)
    os.write(3, (text + '\\n').encode())
`;

/** Real .blend files, one per list of attacks, made by one start of Blender; `remove` takes them away again. */
export async function makeHostileScenes(lists: Attack[][]): Promise<{ paths: string[]; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'pictor-hostile-scenes-'));
  const scenes = lists.map((attacks, index) => ({ path: join(folder, `${index}.blend`), code: codeOf(attacks) }));
  const args = ['-b', '--factory-startup', '--python-exit-code', '1', '--python', MAKER, '--', JSON.stringify(scenes)];
  await promisify(execFile)('blender', args);
  return { paths: scenes.map(({ path }) => path), remove: () => rm(folder, { recursive: true, force: true }) };
}

/** What one attack meets must not keep the next one from being tried. */
function codeOf(attacks: Attack[]): string {
  const tries = attacks.map(({ name, code }, index) =>
    [
      `print('trying:', ${JSON.stringify(name)}, flush=True)`,
      `def attack_${index}():`,
      indent(code),
      'try:',
      `    attack_${index}()`,
      'except BaseException as error:',
      `    print(${JSON.stringify(name)}, 'met', repr(error), file=sys.stderr, flush=True)`,
    ].join('\n'),
  );
  return `${PREAMBLE}\n${tries.join('\n')}\n`;
}

function indent(code: string): string {
  const lines = code.split('\n').filter((line) => line.trim() !== '');
  const margin = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.map((line) => `    ${line.slice(margin)}`).join('\n');
}
