export { exitFailure } from './exit-failure.ts';
export { type AlertLevel, FrameWatchdog } from './frame-watchdog.ts';
