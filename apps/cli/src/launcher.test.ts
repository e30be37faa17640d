import { execFile } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { repositoryRoot } from './config.ts';

const launcher = join(repositoryRoot, 'pictor');
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pictor-launcher-'));
  folders.push(folder);
  return folder;
}

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

function run(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Run> {
  return new Promise((resolve) => {
    execFile(command, args, { env: process.env, ...options }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

async function findProgram(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}

/** A PATH that holds these programs of this machine and no others. */
async function pathWith(...names: string[]): Promise<string> {
  const folder = join(await aFolder(), 'bin');
  await mkdir(folder);
  for (const name of ['sh', 'dirname', 'readlink', 'cat', 'cksum', 'find', 'id', 'uname', ...names]) {
    const path = await findProgram(name);
    if (path) await symlink(path, join(folder, name));
  }
  return folder;
}

/** A clone in which nothing was installed yet. */
async function aFreshClone(): Promise<string> {
  const clone = join(await aFolder(), 'fresh clone');
  await mkdir(clone);
  await cp(launcher, join(clone, 'pictor'));
  await writeFile(join(clone, 'package-lock.json'), '{}');
  return clone;
}

describe('pictor, the launcher', () => {
  it('is a script that a POSIX shell can read', async () => {
    expect(await run('sh', ['-n', launcher])).toMatchObject({ code: 0, stderr: '' });
  });

  it('works through a link of a link, from any folder, with HOME unset', async () => {
    const folder = await aFolder();
    await symlink(launcher, join(folder, 'first'));
    await symlink('first', join(folder, 'second'));
    const { HOME: _home, ...env } = process.env;
    const { code, stdout } = await run('./second', ['--version'], { cwd: folder, env });
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: '0.1.0' });
  });

  it('shows help before anything is installed', async () => {
    const clone = await aFreshClone();
    for (const args of [[], ['--help'], ['render', '--help']]) {
      const { code, stdout } = await run(join(clone, 'pictor'), args);
      expect(code).toBe(0);
      expect(stdout).toContain('pictor <command>');
    }
  });

  it('shows the help of a command, with examples', async () => {
    const { code, stdout } = await run(launcher, ['render', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:');
  });

  it('says what it lacks where there is no npm', async () => {
    const clone = await aFreshClone();
    const { code, stderr } = await run(join(clone, 'pictor'), ['job', 'list'], { env: { PATH: await pathWith() } });
    expect(code).toBe(1);
    expect(stderr).toContain('Node.js 20 or newer with npm');
  });

  it('notices packages that were not installed to the end', async () => {
    const clone = await aFreshClone();
    await mkdir(join(clone, 'node_modules/.bin'), { recursive: true });
    await cp('/bin/true', join(clone, 'node_modules/.bin/node'));
    await writeFile(join(clone, 'node_modules/.pictor-stamp'), 'of another package-lock.json');
    const { code, stderr } = await run(join(clone, 'pictor'), ['job', 'list'], { env: { PATH: await pathWith() } });
    expect(code).toBe(1);
    expect(stderr).toContain('npm');
  });

  it('prints one command that installs the missing Debian packages where it is not root', async (context) => {
    const clone = await aFreshClone();
    const apt = await findProgram('apt-get');
    if (!apt) return context.skip('this machine has no apt-get');
    const PATH = await pathWith('apt-get', 'setpriv', 'Xvfb', 'xauth', 'ffmpeg');
    const isRoot = process.getuid?.() === 0;
    await run('chmod', ['-R', 'a+rX', join(clone, '..'), join(PATH, '..')]);
    const asNobody = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env'];
    const [command = '', ...args] = [...asNobody, join(clone, 'pictor'), 'demo'];
    const { code, stderr } = await run(join(PATH, command), args, { env: { PATH } });
    expect(code).toBe(1);
    expect(stderr).toContain(
      "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends blender bubblewrap openimageio-tools'",
    );
  });

  it('asks for no Blender of its own where --blender or --server names another', async (context) => {
    const clone = await aFreshClone();
    const PATH = await pathWith('bwrap', 'Xvfb', 'xauth', 'ffmpeg', 'oiiotool');
    if (!(await findProgram('oiiotool'))) return context.skip('this machine has no oiiotool');
    for (const args of [
      ['up', '--blender', '/opt/blender/blender'],
      ['render', 'a.blend', '--server=http://10.0.0.5:7878'],
    ]) {
      const { stderr } = await run(join(clone, 'pictor'), args, { env: { PATH } });
      expect(stderr).toContain('npm');
      expect(stderr).not.toContain('blender renders');
    }
  });
});

describe('package-lock.json', () => {
  it('names every optional package: npm ci refuses a clone where one is left out', async () => {
    const lock = JSON.parse(await readFile(join(repositoryRoot, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const named = Object.values(lock.packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}));
    expect(named.filter((name) => !lock.packages[`node_modules/${name}`])).toEqual([]);
  });
});
