import type { PathRemap, RenderSettings } from '@pictor/protocol';

/** A .blend of a snapshot. */
export interface SceneFile {
  snapshotId: string;
  /** One Blender never serves two owners. */
  ownerId: string;
  /** Within the snapshot. */
  file: string;
  remaps: PathRemap[];
  /** Puts the snapshot's files below `jobDir` (readable by others). Called again when the scene needs a new Blender. */
  fill: (jobDir: string) => Promise<void>;
  /** Of this job; the device's own limit holds besides. */
  memoryLimitBytes?: number | null;
  /** Loading is stopped after this time. */
  stopSeconds?: number;
  /** Ends the loading at once. */
  signal?: AbortSignal;
}

export interface SceneToOpen extends SceneFile {
  settings: RenderSettings;
  /** Told when Blender is asked to load the file; not where the scene is open already. */
  onOpening?: () => void;
}

/** Whether a Blender that has the files of `held` may be used for `wanted`. */
export function hasSameFiles(held: SceneFile, wanted: SceneFile): boolean {
  return held.snapshotId === wanted.snapshotId && held.file === wanted.file && held.ownerId === wanted.ownerId;
}
