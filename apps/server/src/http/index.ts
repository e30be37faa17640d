export { type AppDeps, buildApp } from './build-app.ts';
export type { StoredOutput } from './output-stream.ts';
