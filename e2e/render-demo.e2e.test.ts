import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLeftRunning, waitUntilNothingRuns } from './left-running.ts';

const launcher = join(import.meta.dirname, '..', 'pictor');

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-demo-'));
});

afterAll(async () => {
  await pictor('down').catch(() => {});
  await rm(folder, { recursive: true, force: true });
});

async function pictor(...args: string[]): Promise<string> {
  const env = { ...process.env, PICTOR_HOME: join(folder, 'home'), PICTOR_SERVER: '', PICTOR_TOKEN: '' };
  const { stdout } = await promisify(execFile)(launcher, args, { cwd: folder, env });
  return stdout;
}

const picturesIn = async (name: string) =>
  (await readdir(join(folder, name))).filter((file) => /^\d{4}\.png$/.test(file)).length;

describe('pictor demo', () => {
  it('leaves frames and a film, and with --keep a network that other commands use until down', {
    timeout: 600_000,
  }, async () => {
    const said = await pictor('demo', '--keep');
    expect(said).toContain('pictor down');
    const frames = await picturesIn('pictor-demo');
    expect(frames).toBeGreaterThan(1);

    const film = join(folder, 'pictor-demo/sample-scene.mp4');
    const probe = [
      '-v',
      'error',
      '-count_packets',
      '-show_entries',
      'stream=pix_fmt,nb_read_packets',
      '-of',
      'json',
      film,
    ];
    const { stdout } = await promisify(execFile)('ffprobe', probe);
    expect(JSON.parse(stdout).streams).toEqual([{ pix_fmt: 'yuv420p', nb_read_packets: String(frames) }]);

    const [job] = (await pictor('job', 'list', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(job).toMatchObject({ status: 'completed', frameCount: frames });
    await pictor('job', 'download', job.jobId, '--out', 'again');
    expect(await picturesIn('again')).toBe(frames);

    expect(await pictor('render', 'pictor-demo/sample-scene.blend', '--frames', '3', '--out', 'third')).toContain(
      'using the server at',
    );
    expect(await picturesIn('third')).toBe(1);

    expect(await findLeftRunning(folder)).not.toEqual([]);
    await pictor('down');
    expect(await waitUntilNothingRuns(folder, 60_000)).toEqual([]);
  });
});
