export * from './sandbox/index.ts';
export * from './builds/index.ts';
export { RenderFailure } from './render-failure.ts';
export * from './session/index.ts';
