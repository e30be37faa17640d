export { findBlenders } from './find-blenders.ts';
export { listDevices } from './list-devices.ts';
export { type NvidiaCard, nvidiaCards } from './nvidia-cards.ts';
export { probeBuild } from './probe-build.ts';
