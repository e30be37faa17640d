import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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
  const outcome = await new Promise<{ stdout: string; stderr: string; failed: boolean }>((resolve) => {
    execFile(
      process.execPath,
      args,
      { cwd: dirname(scene), env: childEnvironment(), maxBuffer: MAX_OUTPUT_BYTES, signal: options.signal },
      (error, stdout, stderr) => resolve({ stdout, stderr, failed: error !== null }),
    );
  });
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

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
