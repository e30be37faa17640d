export { formatFrames } from './format-frames.ts';
export { frameFileName } from './frame-file-name.ts';
export { MAX_FRAME_NUMBER, parseFrames } from './parse-frames.ts';
export { sceneFrames } from './scene-frames.ts';
