import type { FailureKind, Timeouts } from '@pictor/protocol';
import { type RenderPhase, renderedFraction } from '../driver/blender-log.ts';
import { RenderFailure } from '../render-failure.ts';
import { type AlertLevel, FrameWatchdog } from '../watchdog/index.ts';
import type { Session } from './session.ts';
import { withStopRules } from './stop-rules.ts';
import { type RenderedFile, takeOutputs } from './take-outputs.ts';

export interface FrameToRender {
  number: number;
  /** Play the frames from here in order before, without rendering them: for history-dependent scenes. */
  playFrom: number | null;
  timeouts: Timeouts;
  onProgress(progress: { phase: RenderPhase; fraction: number; elapsedSeconds: number }): void;
  onAlert(level: AlertLevel, evidence: string): void;
  /** Ends the frame at once, and its Blender with it; `render` then rejects with the signal's reason. */
  signal: AbortSignal;
}

/** Renders a frame in an open session under the watchdog's eyes, and takes its files to `destination`. */
export async function renderWatched(
  session: Session,
  frame: FrameToRender,
  destination: string,
): Promise<{ files: RenderedFile[]; renderSeconds: number; peakMemoryBytes: number; log: string }> {
  const { process } = session;
  const startedMs = performance.now();
  const { extension, viewLayers } = session.openScene();
  const watchdog = new FrameWatchdog({
    watched: {
      pid: process.sandboxed.pid,
      memoryBytes: () => process.sandboxed.memoryBytes(),
      lastLine: () => process.log.status.line,
    },
    timeouts: frame.timeouts,
    onAlert: frame.onAlert,
    stop: (kind: FailureKind, message: string) => process.kill(new RenderFailure(kind, message)),
  });
  process.log.startFrame((status) => {
    const elapsedSeconds = (performance.now() - startedMs) / 1000;
    frame.onProgress({ phase: status.phase, fraction: renderedFraction(status, viewLayers), elapsedSeconds });
  });
  try {
    const rules = { signal: frame.signal, doing: `rendering frame ${frame.number}` };
    const result = await withStopRules(process, rules, () => session.render(frame));
    const [files, { peakMemoryBytes }] = await Promise.all([
      takeOutputs(process.sandboxed, { number: frame.number, extension, result }, destination),
      watchdog.end(),
    ]);
    return { files, renderSeconds: result.renderSeconds, peakMemoryBytes, log: process.log.text };
  } catch (error) {
    if (!(error instanceof RenderFailure) || error.log !== '') throw error;
    throw new RenderFailure(error.kind, error.message, { log: process.log.text, cause: error });
  } finally {
    process.log.endFrame();
    await watchdog.end();
  }
}
