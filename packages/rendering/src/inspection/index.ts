export { planProject } from './plan-project.ts';
export { traceScene } from './trace-scene.ts';
