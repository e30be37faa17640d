import type { BlenderBuild, InspectionReport, InspectTask, Lease, RenderDevice } from '@pictor/protocol';
import {
  type BakedFile,
  createWarmBlender,
  type RenderedFrame,
  RenderFailure,
  type SandboxProbe,
  type SceneFile,
  type WarmBlender,
} from '@pictor/rendering';

type RenderOptions = Parameters<WarmBlender['render']>[0];
type Fill = (jobDir: string) => Promise<void>;

/**
 * The Blender of one device: started ahead with the preferred build, started anew where a lease wants another one.
 */
export interface DeviceBlender {
  /** Has the lease's scene open. Throws RenderFailure, or the signal's reason. */
  open(
    build: BlenderBuild | undefined,
    lease: Lease,
    fill: Fill,
    signal: AbortSignal,
    onOpening: () => void,
  ): Promise<void>;
  /** Renders a frame of the scene that is open. Throws RenderFailure. */
  render(frame: RenderOptions): Promise<RenderedFrame>;
  /** Looks into a .blend, beside rendering. Throws RenderFailure. */
  inspect(
    build: BlenderBuild | undefined,
    task: InspectTask,
    fill: Fill,
    signal: AbortSignal,
  ): Promise<InspectionReport>;
  /** Bakes the simulations of a .blend, beside rendering. Throws RenderFailure. */
  bake(build: BlenderBuild | undefined, task: InspectTask, fill: Fill, signal: AbortSignal): Promise<BakedFile>;
  /** The scene that is loaded, if one is. */
  warmScene(): { snapshotId: string; file: string } | null;
  /** Ends every Blender of the device; a command in work fails. */
  close(): Promise<void>;
}

export interface DeviceBlenderOptions {
  device: RenderDevice;
  preferredBuild: BlenderBuild;
  sandbox: SandboxProbe;
  workDir: string;
  /** Number of the device among all of this machine. */
  slot: number;
  /** What one Blender may take of the machine's memory, whatever the job allows; null: all. */
  memoryLimitBytes: number | null;
}

export function createDeviceBlender(options: DeviceBlenderOptions): DeviceBlender {
  const { preferredBuild, ...place } = options;
  let build = preferredBuild;
  let blender = createWarmBlender({ ...place, build });
  const inspecting = new Set<Promise<unknown>>();

  async function use(wanted: BlenderBuild): Promise<void> {
    if (build.sha256 !== wanted.sha256) {
      await Promise.allSettled(inspecting);
      await blender.close();
      build = wanted;
      blender = createWarmBlender({ ...place, build });
    }
  }

  /** Only an idle device changes its build for an inspection: what renders is never stopped for one. */
  async function beside<Result>(
    wanted: BlenderBuild | undefined,
    task: InspectTask,
    work: (scene: Omit<SceneFile, 'fill'>) => Promise<Result>,
  ): Promise<Result> {
    await use(known(wanted));
    const { snapshotId, ownerId, file, manifest } = task;
    const working = work({ snapshotId, ownerId, file, remaps: manifest.remaps });
    inspecting.add(working);
    return working.finally(() => inspecting.delete(working));
  }

  return {
    async open(wanted, lease, fill, signal, onOpening) {
      await use(known(wanted));
      const { snapshotId, ownerId, settings, manifest, memoryLimitBytes, timeouts } = lease;
      await blender.open({
        snapshotId,
        ownerId,
        file: settings.file,
        remaps: manifest.remaps,
        fill,
        settings,
        memoryLimitBytes,
        stopSeconds: timeouts.stopSeconds,
        signal,
        onOpening,
      });
    },
    render: (frame) => blender.render(frame),
    inspect: (wanted, task, fill, signal) =>
      beside(wanted, task, (scene) => blender.inspect({ ...scene, fill, signal })),
    bake: (wanted, task, fill, signal) => beside(wanted, task, (scene) => blender.bake({ ...scene, fill, signal })),
    warmScene: () => blender.warmScene(),
    close: () => blender.close(),
  };
}

function known(build: BlenderBuild | undefined): BlenderBuild {
  if (build === undefined) {
    throw new RenderFailure(
      'device-unavailable',
      'The Blender build that the lease names is not on this worker any more.',
    );
  }
  return build;
}
