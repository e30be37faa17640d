import type { BlenderBuild, InspectTask } from '@pictor/protocol';
import type { AgentEvent } from '../agent-events.ts';
import type { ContentCache } from '../cache/open-content-cache.ts';
import type { ChunkClient } from '../content/chunk-client.ts';
import { describeFailure } from '../leases/describe-failure.ts';
import type { DeviceBlender } from '../leases/device-blender.ts';
import type { ReportOutbox } from '../reports/report-outbox.ts';
import { deliverBake } from './deliver-bake.ts';

export interface InspectionSurroundings {
  cache: ContentCache;
  client: ChunkClient;
  outbox: ReportOutbox;
  blender: DeviceBlender | undefined;
  findBuild(sha256: string): BlenderBuild | undefined;
  emit(event: AgentEvent): void;
}

/** Far more than the largest scenes take to load. */
const INSPECTION_MINUTES = 15;

/**
 * Looks into a .blend in the sandbox and reports what is in it, or why that failed; for a bake, of the baked file, which it uploads. An
 * abort by `stopping` reports nothing.
 */
export async function inspectScene(
  task: InspectTask,
  surroundings: InspectionSurroundings,
  stopping: AbortSignal,
): Promise<void> {
  const { inspectionId, manifest, snapshotId } = task;
  const { cache, client, outbox, blender } = surroundings;
  const hold = cache.hold(snapshotId, manifest);
  const timeout = AbortSignal.timeout(INSPECTION_MINUTES * 60_000);
  // A bake takes as long as it takes: it plays the scene.
  const signal = task.bake ? stopping : AbortSignal.any([stopping, timeout]);
  try {
    // The grant of an inspection is not renewed: where it is over, the server asks anew.
    const grant = { current: () => task.grant, refresh: () => false };
    await hold.fetch({ grant, signal }, () => undefined);
    const build = surroundings.findBuild(task.blenderSha256);
    if (blender === undefined) {
      throw new Error('This worker has no Blender that can be used.');
    }
    const fill = (jobDir: string) => hold.fill(jobDir);
    const found = task.bake
      ? await deliverBake(task, await blender.bake(build, task, fill, signal), { client, grant, signal })
      : { report: await blender.inspect(build, task, fill, signal) };
    await outbox.append({ kind: 'inspection-succeeded', inspectionId, ...found });
    surroundings.emit({ event: 'inspected', inspectionId, failure: null });
  } catch (error) {
    if (stopping.aborted) {
      return;
    }
    const { failure, message } = signal.aborted
      ? ({ failure: 'timed-out', message: `It took longer than ${INSPECTION_MINUTES} minutes.` } as const)
      : describeFailure(error, 'download-failed');
    await outbox.append({ kind: 'inspection-failed', inspectionId, failure, message });
    surroundings.emit({ event: 'inspected', inspectionId, failure });
  } finally {
    hold.release();
  }
}
