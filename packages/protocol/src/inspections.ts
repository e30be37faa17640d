import { z } from 'zod';
import { InspectionId, SnapshotId } from './ids.ts';
import { PathRemap, ProjectPath } from './snapshots.ts';

/** A file that the scene refers to: a linked library, an image, a font, an OSL script … */
export const SceneReference = z.object({
  kind: z.enum(['library', 'image', 'movie', 'font', 'sound', 'cache', 'volume', 'light-profile', 'script']),
  /** The data-block that refers to it. */
  name: z.string(),
  /** As written in the .blend, e.g. `//textures/wood.png`. */
  path: z.string(),
  /**
   * One file: relative to the project root where it lies within, else as PathRemap's `original` names it. In a trace: absolute on
   * the tracing machine.
   */
  resolved: z.string(),
  /** `outside`: leads out of the project; in a trace: a file that no scene has a use for, and that is left where it is. */
  status: z.enum(['present', 'missing', 'outside']),
  /** The linked .blend that holds the reference, like `resolved`; absent: the scene's own file. */
  library: z.string().optional(),
  /** `path` stands for several files, each of them an entry: numbered frames, UDIM tiles, all files of a folder. */
  pattern: z.enum(['sequence', 'tiles', 'folder']).optional(),
});
export type SceneReference = z.infer<typeof SceneReference>;

/** A lone .blend and the files that it uses, laid out as a project. */
export const ProjectPlan = z.object({
  /** Folder on this machine; files outside of it travel below `_external/`. */
  root: z.string(),
  /** The .blend within the project. */
  file: ProjectPath,
  /** `source` is absolute on this machine. */
  files: z.array(z.object({ path: ProjectPath, source: z.string() })),
  remaps: z.array(PathRemap),
});
export type ProjectPlan = z.infer<typeof ProjectPlan>;

/** What `agent trace FILE.blend --json` prints. Paths of the references are absolute on this machine. */
export const TraceReport = z.object({ references: z.array(SceneReference), project: ProjectPlan });
export type TraceReport = z.infer<typeof TraceReport>;

/** What makes a frame depend on the frames before it, e.g. unbaked cloth. */
export const HistoryDependence = z.object({
  kind: z.enum([
    'cloth',
    'soft-body',
    'rigid-body',
    'fluid',
    'dynamic-paint',
    'particles',
    'simulation-nodes',
    'inverse-kinematics',
  ]),
  object: z.string(),
  modifier: z.string(),
  /** Whether `--bake` can bake it, or only `--sequential` can render it. */
  bakeable: z.boolean(),
});
export type HistoryDependence = z.infer<typeof HistoryDependence>;

export const ViewLayerInspection = z.object({ name: z.string(), enabled: z.boolean(), denoises: z.boolean() });

export const SceneInspection = z.object({
  name: z.string(),
  cameras: z.array(z.string()),
  /** The scene's active camera; null where there is none. */
  camera: z.string().nullable(),
  /** Marker-bound cameras count as a camera for the render. */
  hasMarkerCamera: z.boolean(),
  frameStart: z.number().int(),
  frameEnd: z.number().int(),
  frameStep: z.number().int(),
  frameCurrent: z.number().int(),
  fps: z.number(),
  /** Blender's own identifier, e.g. `CYCLES`, `BLENDER_EEVEE`. */
  engine: z.string(),
  resolutionX: z.number().int(),
  resolutionY: z.number().int(),
  resolutionPercent: z.number().int(),
  samples: z.number().int().nullable(),
  timeLimitSeconds: z.number(),
  format: z.string(),
  depth: z.string(),
  /** The scene writes a movie; frames become pictures and the film is made afterwards. */
  isMovie: z.boolean(),
  usesDenoiser: z.boolean(),
  /** OPENIMAGEDENOISE, OPTIX, or null where none is wanted. */
  denoiser: z.string().nullable(),
  usesCompositor: z.boolean(),
  usesSequencer: z.boolean(),
  fileOutputNodes: z.array(z.string()),
  /** Names of the views where stereo or multi-view is on, else empty. */
  views: z.array(z.string()),
  stereoFormat: z.string().nullable(),
  viewLayers: z.array(ViewLayerInspection),
  usesMotionBlur: z.boolean(),
  usesHair: z.boolean(),
  usesFreestyle: z.boolean(),
  historyDependences: z.array(HistoryDependence),
});
export type SceneInspection = z.infer<typeof SceneInspection>;

/** What Blender says is in a .blend. Produced by an agent in the sandbox; nothing in it is believed beyond its shape. */
export const InspectionReport = z.object({
  /** Version that saved the file, as far as Blender writes it: `3.4`. */
  savedWith: z.string(),
  inspectedWith: z.string(),
  activeScene: z.string(),
  scenes: z.array(SceneInspection).min(1),
  references: z.array(SceneReference),
  /** Scripts and Python drivers that will not run, by name. */
  scripts: z.array(z.string()),
});
export type InspectionReport = z.infer<typeof InspectionReport>;

export const InspectionStatus = z.enum(['enqueued', 'processing', 'succeeded', 'failed']);

export const Inspection = z.object({
  inspectionId: InspectionId,
  snapshotId: SnapshotId,
  file: ProjectPath,
  status: InspectionStatus,
  report: InspectionReport.nullable(),
  /** Why it failed, for people. */
  failure: z.string().nullable(),
  /** Of a bake that succeeded: the snapshot with the baked .blend, which `report` is of and jobs are made with. */
  bakedSnapshotId: SnapshotId.nullable(),
});
export type Inspection = z.infer<typeof Inspection>;
