import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { assertReadableBy } from '@pictor/blend-file';
import { type Job, PictorError } from '@pictor/protocol';
import { inspectProject } from '../project/inspect-project.ts';
import { inspectionWarnings, nameScene } from '../project/judge-inspection.ts';
import { type Input, readInput } from '../project/read-input.ts';
import { uploadProject } from '../project/upload-project.ts';
import { createReporter, type Reporter } from '../terminal/create-reporter.ts';
import { createInterruption, type Interruption, unlessAborted } from '../terminal/interruption.ts';
import { ask, canAsk } from './ask.ts';
import { bakeScene } from './bake-scene.ts';
import { checkBlenders } from './check-blenders.ts';
import { finishOrLeave } from './finish-or-leave.ts';
import { type JobNetwork, openNetwork } from './open-network.ts';
import { checkOut } from './out-folder.ts';
import { type JobOrder, type RenderOptions, readAgents, readRenderOptions } from './render-options.ts';

/** Renders a project from its files to frames in a folder. Ends with an error where a frame could not be rendered. */
export async function runRender(scene: string | undefined, options: RenderOptions): Promise<void> {
  using interruption = createInterruption('canceled; nothing is left running');
  using reporter = createReporter(options);
  const { signal } = interruption;
  const { report } = reporter;
  const order = readRenderOptions(options);
  const agents = readAgents(options.agents, 1, 1);
  const blenders = await checkBlenders(options.blender);
  const out = resolve(options.out);
  await checkOut(out);
  const input = await readInput({ scene, project: options.project, file: options.file, out, blenders });

  const network = await openNetwork({
    server: options,
    // Who asks for agents or Blenders of this machine asks for a network of this machine.
    mayUseServer: options.server !== undefined || (options.agents === undefined && blenders.length === 0),
    agents,
    blenders,
    report,
    signal,
  });
  let isLeft = false;
  try {
    const mayAsk = canAsk(options);
    isLeft = await renderProject({ network, input, order, out, mayAsk, reporter, interruption });
  } finally {
    if (!isLeft) await network.close();
  }
}

export interface ProjectRender {
  network: JobNetwork;
  input: Input;
  order: JobOrder;
  out: string;
  /** Whether there is somebody to ask. */
  mayAsk: boolean;
  reporter: Reporter;
  interruption: Interruption;
}

/** Renders a project on a network that is open. Returns whether the job was left to go on in the background. */
export async function renderProject(options: ProjectRender): Promise<boolean> {
  const job = await unlessBroken(options.network, prepareJob(options));
  return unlessBroken(options.network, finishOrLeave({ ...options, job }));
}

/** Uploads, inspects, bakes where that is asked for, and creates the job. */
async function prepareJob(options: ProjectRender): Promise<Job> {
  const { network, input } = options;
  const { bake, ...order } = options.order;
  const { client } = network;
  const { report } = options.reporter;
  const { signal } = options.interruption;
  const versions = unlessAborted(network.blenderVersions(), signal).then((list) =>
    assertReadableBy(input.header, list, input.name),
  );
  // An embedded network's agents start meanwhile; a server's agents are asked first, or a large upload would be for nothing.
  if (network.embedded) versions.catch(() => {});
  else await versions;
  const project = await input.collect(signal);
  for (const message of project.warnings) report({ event: 'warning', message });
  const snapshotId = await uploadProject({ client, project, report, signal });
  await versions;
  const asked = { client, snapshotId, file: project.file, signal };
  const found = await inspectProject(asked);
  report({ event: 'inspection', inspectionId: found.inspectionId, report: found.report });
  for (const message of inspectionWarnings(found.report, options.order)) report({ event: 'warning', message });
  const inspected = bake ? await bakeScene(found, options.order, { ...asked, report }) : found;

  const create = (settings: JobOrder['settings']) =>
    client
      .createJob({
        body: {
          ...order,
          name: input.name.slice(-200),
          snapshotId: inspected.snapshotId,
          inspectionId: inspected.inspectionId,
          settings: { ...settings, file: project.file },
          idempotencyKey: randomUUID(),
        },
      })
      .catch((error) => {
        throw nameScene(error, input.name);
      });
  signal.throwIfAborted();
  const job = await create(order.settings).catch(async (error) => {
    if (!(error instanceof PictorError) || error.code !== 'denoiser-unavailable' || !options.mayAsk) throw error;
    options.reporter.pause();
    const answer = await ask({
      question: `${error.message}\nRender without denoising? [y/N] `,
      choices: ['y', 'n'],
      fallback: 'n',
      signal,
      onInterrupt: () => options.interruption.interrupt(),
    });
    options.reporter.resume();
    signal.throwIfAborted();
    if (answer !== 'y') throw error;
    return create({ ...order.settings, denoiser: 'off' });
  });
  const { jobId, name, frames, frameCount } = job;
  report({ event: 'job', jobId, name, frames, frameCount });
  return job;
}

/** An embedded network that breaks down ends what waits for it. */
function unlessBroken<T>(network: JobNetwork, work: Promise<T>): Promise<T> {
  return network.embedded ? Promise.race([work, network.embedded.broken]) : work;
}
