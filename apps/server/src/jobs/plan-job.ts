import { formatFrames, parseFrames, sceneFrames } from '@pictor/frames';
import {
  type CreateJob,
  Engine,
  FORMAT_DEPTHS,
  type InspectionReport,
  OutputFormat,
  PictorError,
  type SceneInspection,
} from '@pictor/protocol';
import type { z } from 'zod';
import type { ExpectedOutputs } from '../frames/index.ts';
import type { CapableWorker, JobRequirements } from '../workers/index.ts';
import { chooseBlender, denoisersOf } from './choose-blender.ts';

/** What follows from a request, the inspection of its scene and the workers that there are. */
export interface JobPlan {
  numbers: number[];
  /** The numbers as text. */
  frames: string;
  requirements: JobRequirements;
  expectedOutputs: ExpectedOutputs;
  playFrom: number | null;
}

type Request = z.output<typeof CreateJob>;

/**
 * Checks a request against what Blender found in the scene. Pure. Throws `unknown-scene`, `no-camera`, `unknown-camera`,
 * `settings-invalid`, `missing-files`, `history-dependent`, what the reading of frames throws, and what `chooseBlender` throws.
 */
export function planJob(
  request: Request,
  report: InspectionReport,
  workers: readonly CapableWorker[],
  { isBaked = false } = {},
): JobPlan {
  const { settings } = request;
  const scene = findScene(report, settings.scene);
  checkCamera(scene, settings.camera);
  checkViewLayers(scene, settings.viewLayers);
  checkFormat(settings.format);
  checkTimeouts(request.timeouts);
  if (!settings.allowMissing) checkReferences(report);
  if (!request.sequential) checkHistory(scene, isBaked);
  const numbers = request.frames === undefined ? sceneFrames(scene) : parseFrames(request.frames);
  const engine = settings.engine ?? engineOf(scene);
  if (isBaked) checkBakedFrames(scene, numbers);
  const requirements = chooseBlender(
    {
      engine,
      device: settings.device ?? null,
      denoisers: engine === 'CYCLES' && settings.denoiser !== 'off' ? denoisersOf(scene, settings.viewLayers) : [],
      savedWith: report.savedWith,
    },
    workers,
  );
  const playFrom = request.sequential ? Math.min(scene.frameStart, numbers[0] as number) : null;
  return { numbers, frames: formatFrames(numbers), requirements, expectedOutputs: expect(scene, settings), playFrom };
}

function findScene(report: InspectionReport, name: string | undefined): SceneInspection {
  const wanted = name ?? report.activeScene;
  const scene = report.scenes.find((candidate) => candidate.name === wanted);
  if (scene) return scene;
  throw new PictorError('unknown-scene', `The file has no scene ${quote(wanted)}. It has ${list(report.scenes)}.`);
}

function checkCamera(scene: SceneInspection, camera: string | undefined): void {
  const cameras = scene.cameras.map((name) => ({ name }));
  if (camera !== undefined) {
    if (scene.cameras.includes(camera)) return;
    throw new PictorError(
      'unknown-camera',
      `The scene ${quote(scene.name)} has no camera ${quote(camera)}. It has ${list(cameras)}.`,
      { details: { cameras: scene.cameras } },
    );
  }
  if (scene.camera !== null || scene.hasMarkerCamera || scene.usesSequencer) return;
  throw new PictorError(
    'no-camera',
    `The scene ${quote(scene.name)} has no active camera, so there is nothing to render from. ` +
      (scene.cameras.length > 0
        ? `Name one with --camera: it has ${list(cameras)}.`
        : 'Add a camera in Blender (Add > Camera) and save the file.'),
    { details: { cameras: scene.cameras } },
  );
}

function checkViewLayers(scene: SceneInspection, viewLayers: readonly string[] | undefined): void {
  const unknown = viewLayers?.find((name) => !scene.viewLayers.some((layer) => layer.name === name));
  if (unknown !== undefined) {
    throw invalid(
      `The scene ${quote(scene.name)} has no view layer ${quote(unknown)}. It has ${list(scene.viewLayers)}.`,
    );
  }
  if (viewLayers?.length === 0) throw invalid('No view layer was chosen: name at least one, or leave the choice out.');
}

function checkFormat(format: Request['settings']['format']): void {
  if (format?.depth === undefined) return;
  const depths = FORMAT_DEPTHS[format.type];
  if (depths.includes(format.depth)) return;
  throw invalid(`${format.type} holds ${depths.join(' or ')} bits a channel, not ${format.depth}.`);
}

function checkTimeouts({ alertSeconds, analysisSeconds, stopSeconds }: Request['timeouts']): void {
  const given = [alertSeconds, analysisSeconds, stopSeconds].filter((seconds) => seconds !== undefined);
  if (given.every((seconds, index) => index === 0 || seconds >= (given[index - 1] as number))) return;
  throw invalid('The timeouts must grow: alert, then analysis, then stop.');
}

function checkReferences(report: InspectionReport): void {
  // A sound changes no pixel.
  const lost = report.references.filter(({ kind, status }) => status !== 'present' && kind !== 'sound');
  if (lost.length === 0) return;
  const paths = [...new Set(lost.map(({ path, pattern, resolved }) => (pattern === undefined ? path : resolved)))];
  const shown = paths.slice(0, 20).join(', ') + (paths.length > 20 ? ` and ${paths.length - 20} more` : '');
  throw new PictorError(
    'missing-files',
    `The scene uses ${paths.length === 1 ? 'a file that was' : `${paths.length} files that were`} not found: ${shown}. ` +
      'Put them where the scene looks for them, or render without them (--allow-missing).',
    { details: { missing: paths } },
  );
}

function checkHistory(scene: SceneInspection, isBaked: boolean): void {
  const { historyDependences } = scene;
  if (historyDependences.length === 0) return;
  const named = historyDependences.map(({ kind, object }) => `${kind} of ${quote(object)}`);
  throw new PictorError(
    'history-dependent',
    `Frames of this scene depend on the frames before them: ${named.join(', ')}. ${isBaked ? BAKED_ADVICE : bakeAdvice(historyDependences)}, or ` +
      'have one worker render all frames in order (--sequential).',
    { details: { historyDependences } },
  );
}

const BAKED_ADVICE =
  'They could not be baked here, perhaps because the viewport does not show them: show them there and save the file, bake it in Blender';

function bakeAdvice(historyDependences: SceneInspection['historyDependences']): string {
  const stays = historyDependences.filter(({ bakeable }) => !bakeable);
  if (stays.length === 0) return 'Have it baked first (--bake), bake it in Blender and save the file';
  const inBlender = 'Bake it in Blender and save the file';
  if (stays.length === historyDependences.length) return inBlender;
  return `${inBlender} (--bake cannot bake the ${stays.map(({ kind, object }) => `${kind} of ${quote(object)}`).join(', ')})`;
}

/** What moves was baked up to the scene's last frame. */
function checkBakedFrames(scene: SceneInspection, numbers: readonly number[]): void {
  const beyond = numbers.find((number) => number > scene.frameEnd);
  if (beyond === undefined) return;
  throw invalid(
    `Frame ${beyond} was not baked: the scene ${quote(scene.name)} ends at ${scene.frameEnd}. Choose frames up to there, or move the ` +
      'end of the scene and save the file.',
  );
}

const ENGINES: Record<string, Engine> = {
  CYCLES: 'CYCLES',
  BLENDER_EEVEE: 'EEVEE',
  BLENDER_EEVEE_NEXT: 'EEVEE',
  BLENDER_WORKBENCH: 'WORKBENCH',
};

function engineOf(scene: SceneInspection): Engine {
  const engine = ENGINES[scene.engine];
  if (engine) return engine;
  throw new PictorError(
    'no-agent-for-job',
    `The scene ${quote(scene.name)} wants the render engine ${scene.engine}, which no worker has. ` +
      `Choose one with --engine: ${Engine.options.join(', ')}.`,
  );
}

function expect(scene: SceneInspection, settings: Request['settings']): ExpectedOutputs {
  const isStereo = scene.views.length > 0;
  const { resolution } = settings;
  const percent = resolution && 'percent' in resolution ? resolution.percent : scene.resolutionPercent;
  const isExact = resolution !== undefined && 'width' in resolution;
  const pixels = (size: number) => Math.floor((size * percent) / 100);
  const format = OutputFormat.safeParse(settings.format?.type ?? (scene.isMovie ? null : scene.format));
  return {
    // How many files the views of a frame make is the scene's choice: one at least.
    pictures: 1,
    format: format.success ? format.data : null,
    maxWidth: isStereo ? null : isExact ? resolution.width : pixels(scene.resolutionX),
    maxHeight: isStereo ? null : isExact ? resolution.height : pixels(scene.resolutionY),
  };
}

const invalid = (message: string) => new PictorError('settings-invalid', message);
const quote = (text: string) => JSON.stringify(text);
const list = (named: readonly { name: string }[]) => named.map(({ name }) => quote(name)).join(', ') || 'none';
