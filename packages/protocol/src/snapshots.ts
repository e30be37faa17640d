import { z } from 'zod';
import { Sha256, SnapshotId } from './ids.ts';

/** Every chunk but a file's last has this size. */
export const CHUNK_BYTES = 16 * 1024 * 1024;

/** A path inside a project: relative, `/` as separator, no `..`, no empty part, no control character. */
export const ProjectPath = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) =>
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
      !/[\u0000-\u001f\\]/.test(path) &&
      !path.startsWith('/') &&
      path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'expected a relative path without "..", "\\" or control characters',
  );

/** One file: the list of its chunks' hashes; `sha256` is SHA-256 over the concatenated hex hashes of that list. */
export const SnapshotFile = z.object({
  path: ProjectPath,
  sizeBytes: z.number().int().min(0),
  sha256: Sha256,
  chunks: z.array(Sha256),
});
export type SnapshotFile = z.infer<typeof SnapshotFile>;

/** Where the scene's own path to a file differs from its place in the project (absolute, or outside the root). */
export const PathRemap = z.object({
  /**
   * The path as the .blend writes it, normalised: an absolute path as it stands (`/home/me/wood.png`, `C:/tex/wood.png`); a
   * relative one (`//…`) as `//` and the place relative to the project root, taken from the folder that its .blend has in the
   * snapshot (`//../../wood.png` in `scenes/a.blend` is `//../wood.png`), so that no folder of the creator's machine is needed.
   * A UDIM token stays in it; of a sequence it is the one file that the .blend names.
   */
  original: z.string(),
  /** Where the content stands in the snapshot, usually below `_external/`. */
  path: ProjectPath,
});
export type PathRemap = z.infer<typeof PathRemap>;

export const SnapshotManifest = z.object({
  files: z.array(SnapshotFile).min(1).max(200_000),
  remaps: z.array(PathRemap).default([]),
});
export type SnapshotManifest = z.infer<typeof SnapshotManifest>;

export const Snapshot = SnapshotManifest.extend({
  snapshotId: SnapshotId,
  totalBytes: z.number().int(),
  createdAt: z.string(),
});
export type Snapshot = z.infer<typeof Snapshot>;
