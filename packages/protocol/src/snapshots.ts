import { z } from 'zod';
import { Sha256, SnapshotId } from './ids.ts';

/** Every chunk but a file's last has this size. */
export const CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * A path inside a project: relative, `/` as separator, no `..`, no empty part, no control character, and no part longer than the
 * 255 bytes that file systems take. Nor may it become a way out where it is percent-decoded or its look-alike characters
 * (`．．`, `／`) are folded.
 */
export const ProjectPath = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) => path.isWellFormed() && !/[\p{Cc}\\]/u.test(path) && path.split('/').every(isPlainPart) && !leadsOut(path),
    'expected a relative path without "..", "\\" or control characters, each part of at most 255 bytes',
  );

function isPlainPart(part: string): boolean {
  return part !== '' && part !== '.' && part !== '..' && new TextEncoder().encode(part).length <= 255;
}

/** Whether any reading of the path is absolute or climbs: twice percent-decoded, look-alikes folded, `\` as a separator. */
function leadsOut(path: string): boolean {
  let reading = path;
  for (let decodings = 0; decodings < 3; decodings++) {
    const folded = reading.normalize('NFKC').replaceAll('\\', '/');
    if (folded.startsWith('/') || folded.split('/').includes('..')) return true;
    reading = reading.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  }
  return false;
}

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
  files: z
    .array(SnapshotFile)
    .min(1)
    .max(200_000)
    .refine(haveOnePlaceEach, 'expected every path once, and no file where another file needs a folder'),
  remaps: z.array(PathRemap).default([]),
});
export type SnapshotManifest = z.infer<typeof SnapshotManifest>;

function haveOnePlaceEach(files: SnapshotFile[]): boolean {
  const paths = new Set(files.map((file) => file.path));
  if (paths.size < files.length) return false;
  const folders = new Set<string>();
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return !files.some((file) => folders.has(file.path));
}

export const Snapshot = SnapshotManifest.extend({
  snapshotId: SnapshotId,
  totalBytes: z.number().int(),
  createdAt: z.string(),
});
export type Snapshot = z.infer<typeof Snapshot>;
