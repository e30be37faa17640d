import { assertReadableBy } from '@pictor/blend-file';
import type { InspectionReport } from '@pictor/protocol';
import type { Command } from 'commander';
import { describeInspection } from '../project/describe-inspection.ts';
import { inspectProject } from '../project/inspect-project.ts';
import { readInput } from '../project/read-input.ts';
import { uploadProject } from '../project/upload-project.ts';
import { checkBlenders } from '../render/check-blenders.ts';
import { openNetwork } from '../render/open-network.ts';
import { createReporter } from '../terminal/create-reporter.ts';
import { createInterruption, unlessAborted } from '../terminal/interruption.ts';
import { collect, withServerOptions } from './options.ts';

interface InspectOptions {
  project?: string;
  file?: string;
  blender?: string[];
  json?: boolean;
  server?: string;
  token?: string;
}

/** `pictor inspect`: what Blender says is in a .blend, and what is missing. */
export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description('Say what is in a .blend: scenes, cameras, frames, settings, files it uses, what is missing')
    .argument('[scene]', 'the .blend')
    .option('--project <dir>', 'folder that the scene belongs to')
    .option('--file <path>', 'the .blend within --project')
    .option('--blender <path>', 'Blender to look with, on a network of its own (may be repeated)', collect);
  withServerOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  pictor inspect scene.blend
  pictor inspect --project film --file scenes/shot-010.blend --json`,
    )
    .action(async (scene: string | undefined, options: InspectOptions) => {
      const report = await inspectScene(scene, options);
      console.log(options.json ? JSON.stringify(report) : describeInspection(report));
    });
}

async function inspectScene(scene: string | undefined, options: InspectOptions): Promise<InspectionReport> {
  using interruption = createInterruption();
  using reporter = createReporter({});
  const { signal } = interruption;
  // With --json the inspection is all that is printed.
  const report = options.json ? () => {} : reporter.report;
  const blenders = await checkBlenders(options.blender);
  const input = await readInput({ scene, project: options.project, file: options.file, out: null, blenders });
  const mayUseServer = options.server !== undefined || blenders.length === 0;
  const network = await openNetwork({ server: options, mayUseServer, agents: 1, blenders, report, signal });
  try {
    assertReadableBy(input.header, await unlessAborted(network.blenderVersions(), signal), input.name);
    const project = await input.collect(signal);
    for (const message of project.warnings) report({ event: 'warning', message });
    const snapshotId = await uploadProject({ client: network.client, project, report, signal });
    const inspected = await inspectProject({ client: network.client, snapshotId, file: project.file, signal });
    return inspected.report;
  } finally {
    await network.close();
  }
}
