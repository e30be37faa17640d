import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, Output } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { makeExampleScenes } from '../examples/scenes.ts';
import { waitUntilNothingRuns } from './left-running.ts';
import { type Network, startNetwork } from './network.ts';
import { uploadProject } from './upload-project.ts';

type OutputRow = z.infer<typeof Output>;
type JobRow = z.infer<typeof Job>;

/** Frames of about half a second: long enough to be killed in the middle. */
const FRAMES = '1-6';
const SAMPLES = 1000;

describe('kill -9', () => {
  let scenes: string;
  let network: Network;
  let snapshotId: string;
  let inspectionId: string;
  let undisturbed: OutputRow[];

  beforeAll(async () => {
    scenes = await mkdtemp(join(tmpdir(), 'pictor-kill-'));
    const { animatedCamera } = await makeExampleScenes(scenes);
    network = await startNetwork({ agents: 2 });
    ({ snapshotId, inspectionId } = await uploadProject(network.client, animatedCamera.root, animatedCamera.file));
    undisturbed = await outputsOf(await finished(await createJob(animatedCamera.file, 'undisturbed')));
  }, 240_000);

  afterAll(async () => {
    await network.stop();
    await rm(scenes, { recursive: true, force: true });
    expect(await waitUntilNothingRuns(network.folder)).toEqual([]);
  });

  it.each([
    ['an agent in mid-frame', () => network.restartAgent(0)],
    ['the server in mid-job', () => network.restartServer()],
    ['PostgreSQL in mid-write', killPostgres],
    [
      'all of them, one after the other',
      async () => {
        await killPostgres();
        await network.restartServer();
        await network.restartAgent(1);
      },
    ],
  ])(
    '%s: the finished job is bit-identical, every frame stored once',
    async (name, kill) => {
      const job = await createJob('animated-camera.blend', name);
      await waitFor(async () => (await countAccepted(job)) >= 1);
      await kill();
      expect(await outputsOf(await finished(job))).toEqual(undisturbed);
    },
    300_000,
  );

  async function createJob(file: string, name: string): Promise<JobRow> {
    return network.client.createJob({
      body: { name, snapshotId, inspectionId, frames: FRAMES, framesPerNode: 2, settings: { file, samples: SAMPLES } },
    } as Parameters<typeof network.client.createJob>[0]);
  }

  async function countAccepted(job: JobRow): Promise<number> {
    const { counts } = await network.client.getJob({ params: { jobId: job.jobId } });
    return counts.accepted ?? 0;
  }

  async function finished(job: JobRow): Promise<JobRow> {
    let last = job;
    await waitFor(async () => {
      last = await network.client.getJob({ params: { jobId: job.jobId } }).catch(() => last);
      return last.status === 'completed' || last.status === 'failed';
    });
    expect(last).toMatchObject({ status: 'completed', counts: { accepted: 6 } });
    return last;
  }

  /** What was stored, without what may differ: ids, and files whose dates are part of their content. */
  async function outputsOf(job: JobRow): Promise<OutputRow[]> {
    const { outputs } = await network.client.listOutputs({ params: { jobId: job.jobId } });
    return outputs
      .map((output) => ({ ...output, outputId: '', sha256: '', sizeBytes: 0 }) as OutputRow)
      .toSorted((a, b) => a.frameNumber - b.frameNumber || a.path.localeCompare(b.path));
  }

  async function killPostgres(): Promise<void> {
    const pidFile = join(network.folder, 'server/postgres/postmaster.pid');
    process.kill(Number((await readFile(pidFile, 'utf8')).split('\n')[0]), 'SIGKILL');
  }
});

async function waitFor(condition: () => Promise<boolean>, deadlineMs = 240_000): Promise<void> {
  for (const end = Date.now() + deadlineMs; !(await condition()); ) {
    if (Date.now() > end) throw new Error('the condition did not become true before the deadline');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
