import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SandboxedProcess, SandboxOptions, WallLevel } from './sandboxed-process.ts';
import { cgroupHomeOfAgent, startSandboxed } from './start-sandboxed.ts';

const MEBIBYTE = 1024 * 1024;
let workDir: string;
let started: SandboxedProcess[];

beforeEach(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'pictor-sandbox-'));
  started = [];
});

afterEach(async () => {
  for (const sandbox of started) await sandbox.kill();
  await rm(workDir, { recursive: true, force: true });
});

async function start(script: string, options: Partial<SandboxOptions> = {}, cgroups?: null): Promise<SandboxedProcess> {
  const sandbox = await startSandboxed(
    {
      ...{ level: 'bubblewrap', slot: 3, workDir, mounts: [], display: false, env: {} },
      limits: { memoryBytes: 512 * MEBIBYTE, processes: 64, outputBytes: 8 * MEBIBYTE, outputFiles: 64 },
      command: '/bin/sh',
      args: ['-c', script],
      ...options,
    },
    cgroups,
  );
  started.push(sandbox);
  return sandbox;
}

/** Processes whose command line has this text, anywhere on the machine. */
async function processesWith(marker: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(marker));
}

async function groupsOf(pid: number): Promise<string[]> {
  const home = await cgroupHomeOfAgent();
  const names = home ? [...(await readdir(home.memoryFolder)), ...(await readdir(home.pidsFolder))] : [];
  return names.filter((name) => name.startsWith(`pictor-${pid}-`));
}

describe.each<WallLevel>(['bubblewrap', 'none'])('a process at level %s', (level) => {
  it('waits as a standby for a job that is laid into its folder later, and talks over the channel', async () => {
    const script = 'read -r file <&3; content=$(cat "$file"); echo "$content" >&3; echo "$content" > "$OUT/0001.png"';
    const sandbox = await start(script, { level, env: { OUT: level === 'none' ? join(workDir, 'out') : '/out' } });
    await writeFile(join(sandbox.jobDir, 'scene.txt'), 'a scene');
    const answer = once(sandbox.channel, 'data');
    sandbox.channel.write('scene.txt\n');
    expect(String(await answer)).toBe('a scene\n');
    expect(await sandbox.exited).toEqual({ code: 0, signal: null, limit: null });
    expect(await sandbox.listOutputs()).toEqual([{ name: '0001.png', sizeBytes: 8 }]);
    expect(await sandbox.takeOutput('0001.png', join(workDir, 'taken.png'))).toEqual({ sizeBytes: 8 });
    expect(await readFile(join(workDir, 'taken.png'), 'utf8')).toBe('a scene\n');
  });

  it('passes on its exit code, its signal, stdout and stderr', async () => {
    const sandbox = await start('echo out; echo err >&2; exit 7', { level });
    expect(await Promise.all([text(sandbox.stdout), text(sandbox.stderr)])).toEqual(['out\n', 'err\n']);
    expect(await sandbox.exited).toEqual({ code: 7, signal: null, limit: null });
    const crashed = await start('kill -SEGV $$', { level });
    expect(await crashed.exited).toEqual({ code: null, signal: 'SIGSEGV', limit: null });
  });

  it('leaves no process and no cgroup when it is killed, a second time too', async () => {
    const marker = randomUUID();
    const sandbox = await start('sleep 3600 & sleep 3601; true', {
      level,
      args: ['-c', 'sleep 3600 & sleep 3601; true', marker],
    });
    expect(await processesWith(marker)).not.toEqual([]);
    await sandbox.kill();
    await sandbox.kill();
    expect((await sandbox.exited).signal).toBe('SIGKILL');
    await vi.waitFor(async () => expect(await processesWith(marker)).toEqual([]));
    expect(await groupsOf(process.pid)).toEqual([]);
    expect(await sandbox.memoryBytes()).toBe(0);
  });

  it('has a display of its own where one is wanted', async () => {
    const sandbox = await start('test -S "/tmp/.X11-unix/X$(echo $DISPLAY | tr -d :)" && echo "display $DISPLAY"', {
      level,
      display: true,
    });
    expect(await text(sandbox.stdout)).toMatch(/^display :\d+\n$/);
  });

  it('is ended when it needs more memory than allowed, by a limit that can be changed while it runs', async () => {
    const hold = 'python3 -c "import sys; held = b\'x\' * (200 << 20); print(1, flush=True); sys.stdin.read()" <&3';
    const sandbox = await start(hold, { level });
    await once(sandbox.stdout, 'data');
    expect(await sandbox.memoryBytes()).toBeGreaterThan(200 * MEBIBYTE);
    await sandbox.setMemoryLimit(400 * MEBIBYTE);
    const greedy = await start(hold, { level, limits: { ...limits(), memoryBytes: 100 * MEBIBYTE } });
    expect((await greedy.exited).limit).toBe('memory');
    sandbox.channel.end();
    expect(await sandbox.exited).toEqual({ code: 0, signal: null, limit: null });
  });
});

function limits(): SandboxOptions['limits'] {
  return { memoryBytes: null, processes: 64, outputBytes: 8 * MEBIBYTE, outputFiles: 64 };
}

describe('the walls', () => {
  it('show an environment and descriptors that hold nothing of the agent', async () => {
    const sandbox = await start('env; ls /proc/self/fd; whoami; hostname', { env: { JOB: 'mine' } });
    const seen = (await text(sandbox.stdout)).split('\n');
    expect(seen).toEqual(expect.arrayContaining(['JOB=mine', 'HOME=/tmp', 'sandbox', '0', '1', '2', '3']));
    const names = seen.filter((line) => line.includes('=')).map((line) => line.split('=')[0]);
    expect(names.sort()).toEqual(['HOME', 'JOB', 'LANG', 'LC_ALL', 'PATH', 'PWD', 'TMPDIR']);
  });

  it('let in further folders and files, read-only, wherever they lie', async () => {
    const closed = join(workDir, 'closed');
    await mkdir(join(closed, 'blender'), { recursive: true });
    await writeFile(join(closed, 'blender', 'program'), 'a program');
    await writeFile(join(closed, "driver's file.py"), 'a driver');
    await chmod(closed, 0o700);
    const mounts = [
      { source: join(closed, 'blender'), target: '/opt/blender' },
      { source: join(closed, "driver's file.py"), target: '/driver.py' },
    ];
    const script =
      'cat /opt/blender/program /driver.py; ls /opt; touch /opt/blender/x /driver.py /x /dev/x /usr/x 2>/dev/null || echo closed';
    const sandbox = await start(script, { mounts });
    expect(await text(sandbox.stdout)).toBe('a programa driverblender\nclosed\n');
  });

  it('keep a uid of its own for each slot of an agent that is root', async () => {
    const uidOf = async (sandbox: SandboxedProcess) =>
      /^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${sandbox.pid}/status`, 'utf8'))?.[1];
    const [first, second] = [await start('read -r x <&3', { slot: 1 }), await start('read -r x <&3', { slot: 2 })];
    const uids = await Promise.all([uidOf(first), uidOf(second)]);
    if (process.getuid?.() === 0) expect(new Set([...uids, '0']).size).toBe(3);
    else expect(uids).toEqual(Array(2).fill(String(process.getuid?.())));
  });

  it('stand around several that start at one moment, each for itself', async () => {
    const all = await Promise.all(
      [11, 12, 13].map((slot) => start(`read -r x <&3; exit ${slot}`, { slot, workDir: join(workDir, String(slot)) })),
    );
    for (const sandbox of all) sandbox.channel.write('go\n');
    expect((await Promise.all(all.map(({ exited }) => exited))).map(({ code }) => code)).toEqual([11, 12, 13]);
  });

  it('stand without cgroups too', async () => {
    const script = ['import os, time', 'try:', '  while os.fork(): pass', 'finally:', '  time.sleep(60)'].join('\n');
    const sandbox = await start('', { command: 'python3', args: ['-c', script] }, null);
    expect((await sandbox.exited).limit).toBe('processes');
  });

  it('fall with the agent: nothing runs on when it is killed, and the next agent removes its cgroups', async () => {
    const marker = randomUUID();
    const agent = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/doomed-agent.ts'), workDir, marker], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(agent.stdout, 'data');
    expect((await processesWith(marker)).length).toBeGreaterThan(1);
    agent.kill('SIGKILL');
    await vi.waitFor(async () => expect(await processesWith(marker)).toEqual([]), 5_000);
    const { findCgroupHome } = await import('./cgroup-home.ts');
    await vi.waitFor(async () => {
      await findCgroupHome();
      expect(await groupsOf(agent.pid as number)).toEqual([]);
    }, 5_000);
  });
});

describe('a sandbox that cannot be started', () => {
  it('says why, and leaves nothing', async () => {
    const missing = start('true', { bwrapPath: '/nowhere/bwrap' });
    await expect(missing).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('/nowhere/bwrap'),
    });
    const noSuchMount = start('true', { mounts: [{ source: join(workDir, 'no'), target: '/no' }] });
    await expect(noSuchMount).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining(join(workDir, 'no')),
    });
    expect(await groupsOf(process.pid)).toEqual([]);
  });

  it('tells a command that is not there by its exit code', async () => {
    const sandbox = await start('', { command: '/nowhere/blender', args: [] });
    expect((await sandbox.exited).code).toBe(127);
  });
});
