import { RenderFailure } from '../render-failure.ts';
import type { BlenderProcess } from './blender-process.ts';

/** Ends a Blender when a signal is aborted or a time has passed, unless `work` is done before. */
export async function withStopRules<Result>(
  process: BlenderProcess,
  rules: { signal?: AbortSignal; stopSeconds?: number; doing: string },
  work: () => Promise<Result>,
): Promise<Result> {
  const { signal, stopSeconds, doing } = rules;
  signal?.throwIfAborted();
  const abort = () => process.kill(new RenderFailure('worker-shutdown', `Stopped while ${doing}.`));
  signal?.addEventListener('abort', abort, { once: true });
  const stop = () =>
    process.kill(
      new RenderFailure('timed-out', `Blender took longer than the stop timeout of ${stopSeconds} s for ${doing}.`),
    );
  const timer = stopSeconds === undefined ? undefined : setTimeout(stop, stopSeconds * 1000);
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
