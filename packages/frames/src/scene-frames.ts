import { PictorError } from '@pictor/protocol';
import { parseFrames } from './parse-frames.ts';

/**
 * The frames that `blender -a` renders: a scene's own range and step, ascending.
 *
 * @throws PictorError `frames-empty` where the range ends before it begins, `frames-too-many`
 */
export function sceneFrames(scene: { frameStart: number; frameEnd: number; frameStep: number }): number[] {
  const { frameStart, frameEnd, frameStep } = scene;
  if (frameEnd < frameStart) {
    throw new PictorError(
      'frames-empty',
      `The scene's frame range ${frameStart} to ${frameEnd} is empty. Set it right in Blender, or say which frames to render.`,
    );
  }
  return parseFrames(`${frameStart}-${frameEnd}x${frameStep}`);
}
