export type { FrameToRender } from './render-watched.ts';
export type { SceneFile, SceneToOpen } from './scene-to-open.ts';
export type { RenderedFile } from './take-outputs.ts';
export { frameName } from './take-outputs.ts';
export {
  type BakedFile,
  createWarmBlender,
  type RenderedFrame,
  type WarmBlender,
  type WarmBlenderOptions,
} from './warm-blender.ts';
