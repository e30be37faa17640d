export * from './builds/index.ts';
export * from './inspection/index.ts';
export * from './outputs/index.ts';
export { RenderFailure } from './render-failure.ts';
export * from './sandbox/index.ts';
export * from './session/index.ts';
