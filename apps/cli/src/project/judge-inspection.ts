import { ERRORS, type InspectionReport, PictorError, type SceneInspection } from '@pictor/protocol';
import { z } from 'zod';
import type { JobOrder } from '../render/render-options.ts';
import { count } from '../terminal/format-quantities.ts';

/** The scene that an order renders: the named one, else the active one. Null where there is none of that name. */
export function orderedScene(report: InspectionReport, sceneName: string | undefined): SceneInspection | null {
  return report.scenes.find((scene) => scene.name === (sceneName ?? report.activeScene)) ?? null;
}

/** What of a scene will come out other than the creator may expect, one sentence each. */
export function inspectionWarnings(report: InspectionReport, order: JobOrder): string[] {
  const warnings: string[] = [];
  const scene = orderedScene(report, order.settings.scene);
  if (report.scripts.length > 0) {
    warnings.push(`${count(report.scripts.length, 'script')} in the scene will not run: ${list(report.scripts)}`);
  }
  if (scene?.isMovie && !order.settings.format) {
    warnings.push(
      `the scene writes a movie (${scene.format}); its frames are rendered as PNG pictures, to make the film of afterwards`,
    );
  }
  if (scene && scene.historyDependences.length > 0 && order.sequential) {
    warnings.push('the frames depend on those before them: one agent renders them all, in order, from the first');
  }
  if (order.settings.allowMissing) {
    const missing = missingFiles(report);
    if (missing.length > 0)
      warnings.push(`rendering without ${count(missing.length, 'missing file')}: ${list(missing)}`);
  }
  return warnings;
}

/** Paths of what the scene refers to and the project does not hold. */
export function missingFiles(report: InspectionReport): string[] {
  const absent = report.references.filter((reference) => reference.status !== 'present');
  return [...new Set(absent.map((reference) => reference.path))].sort();
}

/** A refusal of a job that names the .blend, and lists missing files one a line. */
export function nameScene(error: unknown, name: string): unknown {
  if (!(error instanceof PictorError) || ERRORS[error.code].exitCode !== 2) return error;
  const missing =
    error.code === 'missing-files' ? z.array(z.string()).safeParse(error.details.missing).data : undefined;
  if (!missing)
    return new PictorError(error.code, `${name}: ${error.message}`, { details: error.details, cause: error });
  const lines = missing.slice(0, 50).map((path) => `\n  ${path}`);
  const more = missing.length > lines.length ? `\n  … and ${missing.length - lines.length} more` : '';
  return new PictorError(
    'missing-files',
    `${name} uses ${count(missing.length, 'file')} that cannot be found:${lines.join('')}${more}\n` +
      'Put them in place, give the folder that holds everything with --project, or render without them with --allow-missing.',
    { details: error.details, cause: error },
  );
}

function list(names: string[]): string {
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
