import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PictorError, TraceReport } from '@pictor/protocol';
import { childEnvironment, repositoryRoot } from '../config.ts';
import { checkPath } from './check-path.ts';
import type { ProjectFiles } from './project-files.ts';

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * Lists the files that a lone .blend uses, as Blender on this machine sees it in the sandbox. Where no Blender is, or it cannot open
 * the file, only the .blend travels: the inspection says then what is missing, or wrong.
 *
 * @param scene Absolute path of the .blend.
 */
export async function collectLoneFile(
  scene: string,
  options: { blenders: string[]; signal: AbortSignal },
): Promise<ProjectFiles> {
  const place = checkPath(basename(scene));
  const traced = await trace(scene, options);
  if ('problem' in traced) {
    const { size } = await stat(scene);
    return {
      files: [{ path: place, absolutePath: scene, sizeBytes: size }],
      remaps: [],
      file: place,
      warnings: [`only ${place} itself travels, the files it uses could not be listed: ${traced.problem}`],
    };
  }
  const { project, references } = traced.report;
  const files = await Promise.all(
    project.files.map(async (file) => ({
      path: checkPath(file.path),
      absolutePath: file.source,
      sizeBytes: (await stat(file.source)).size,
    })),
  );
  const left = references.filter((reference) => reference.status === 'outside').map((reference) => reference.resolved);
  const warnings = [...new Set(left)].map((each) => `${each} stays behind: it is no file that a scene has a use for`);
  return { files, remaps: project.remaps, file: project.file, warnings };
}

async function trace(
  scene: string,
  options: { blenders: string[]; signal: AbortSignal },
): Promise<{ report: TraceReport } | { problem: string }> {
  const args = [
    join(repositoryRoot, 'apps/agent/src/main.ts'),
    'trace',
    scene,
    '--json',
    ...options.blenders.flatMap((path) => ['--blender', path]),
  ];
  // Its temporary files stand here, so that none is left where it is stopped.
  const folder = await mkdtemp(join(tmpdir(), 'pictor-files-'));
  await chmod(folder, 0o711);
  const outcome = await runAgent(args, folder, options.signal).finally(() =>
    rm(folder, { recursive: true, force: true }),
  );
  options.signal.throwIfAborted();
  const lines = outcome.stdout.trim().split('\n');
  const said = parse(lines.at(-1) ?? '');
  if (outcome.failed) {
    const message = (said as { message?: unknown } | null)?.message;
    return {
      problem: typeof message === 'string' ? message : (outcome.stderr.trim().split('\n').at(-1) ?? 'no reason given'),
    };
  }
  const report = TraceReport.safeParse(said);
  if (!report.success) throw new PictorError('internal', `The agent's list of the files of ${scene} cannot be read.`);
  return { report: report.data };
}

/** Runs the agent's program to its end. */
async function runAgent(
  args: string[],
  temporaryFolder: string,
  signal: AbortSignal,
): Promise<{ stdout: string; stderr: string; failed: boolean }> {
  const env = childEnvironment({ TMPDIR: temporaryFolder });
  let closed: Promise<unknown> = Promise.resolve();
  const outcome = await new Promise<{ stdout: string; stderr: string; failed: boolean }>((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { env, maxBuffer: MAX_OUTPUT_BYTES, signal },
      (error, stdout, stderr) => resolve({ stdout, stderr, failed: error !== null }),
    );
    closed = new Promise((done) => child.once('close', done));
  });
  await closed;
  return outcome;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
