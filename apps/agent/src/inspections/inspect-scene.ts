import type { BlenderBuild, InspectTask } from '@pictor/protocol';
import type { AgentEvent } from '../agent-events.ts';
import type { ContentCache } from '../cache/open-content-cache.ts';
import { describeFailure } from '../leases/describe-failure.ts';
import type { DeviceBlender } from '../leases/device-blender.ts';
import type { ReportOutbox } from '../reports/report-outbox.ts';

export interface InspectionSurroundings {
  cache: ContentCache;
  outbox: ReportOutbox;
  blender: DeviceBlender | undefined;
  findBuild(sha256: string): BlenderBuild | undefined;
  emit(event: AgentEvent): void;
}

/** Far more than the largest scenes take to load. */
const INSPECTION_MINUTES = 15;

/** Looks into a .blend in the sandbox and reports what is in it, or why that failed. An abort by `stopping` reports nothing. */
export async function inspectScene(
  task: InspectTask,
  surroundings: InspectionSurroundings,
  stopping: AbortSignal,
): Promise<void> {
  const { inspectionId, manifest, snapshotId } = task;
  const { cache, outbox, blender } = surroundings;
  const hold = cache.hold(snapshotId, manifest);
  const timeout = AbortSignal.timeout(INSPECTION_MINUTES * 60_000);
  const signal = AbortSignal.any([stopping, timeout]);
  try {
    // The grant of an inspection is not renewed: where it is over, the server asks anew.
    await hold.fetch({ grant: { current: () => task.grant, refresh: () => false }, signal }, () => undefined);
    const build = surroundings.findBuild(task.blenderSha256);
    if (blender === undefined) {
      throw new Error('This worker has no Blender that can be used.');
    }
    const report = await blender.inspect(build, task, (jobDir) => hold.fill(jobDir), signal);
    await outbox.append({ kind: 'inspection-succeeded', inspectionId, report });
    surroundings.emit({ event: 'inspected', inspectionId, failure: null });
  } catch (error) {
    if (stopping.aborted) {
      return;
    }
    const { failure, message } = timeout.aborted
      ? ({ failure: 'timed-out', message: `It took longer than ${INSPECTION_MINUTES} minutes.` } as const)
      : describeFailure(error, 'download-failed');
    await outbox.append({ kind: 'inspection-failed', inspectionId, failure, message });
    surroundings.emit({ event: 'inspected', inspectionId, failure });
  } finally {
    hold.release();
  }
}
