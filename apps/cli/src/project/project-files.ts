import type { PathRemap } from '@pictor/protocol';

/** The files of a project as they travel. */
export interface ProjectFiles {
  /** `path` is the place in the project, `absolutePath` where the content is on this machine. */
  files: { path: string; absolutePath: string; sizeBytes: number }[];
  remaps: PathRemap[];
  /** The .blend within the project. */
  file: string;
  /** What the user should know: files left out and why. */
  warnings: string[];
}
