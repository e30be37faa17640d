import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, parse } from 'node:path';
import type { SceneReference } from '@pictor/protocol';

type ReferenceKind = SceneReference['kind'];

const MOVIES = 'mp4 mov avi mkv webm ogv ogg mpg mpeg m2v m4v m2ts mts ts dv flv wmv gif';
const ENDINGS: Record<ReferenceKind, Set<string>> = {
  library: words('blend'),
  image: words(
    `png jpg jpeg jp2 j2c bmp rgb rgba sgi bw iris tga cin dpx exr hdr tif tiff tx webp psd dds pic ${MOVIES}`,
  ),
  movie: words(MOVIES),
  font: words('ttf otf ttc otc woff woff2 pfb pfm'),
  sound: words(`wav flac mp3 oga aac m4a aif aiff opus ac3 eac3 mp2 wma ${MOVIES}`),
  volume: words('vdb'),
  cache: words('abc usd usda usdc usdz mdd pc2 bphys uni vdb bobj gz obj ply stl csv txt json blob btx exr png raw'),
  'light-profile': words('ies'),
  script: words('osl oso'),
};
const MAX_FILES = 100_000;

function words(list: string): Set<string> {
  return new Set(list.split(' ').map((word) => `.${word}`));
}

/** What stands at a path that a scene names. */
export type FileStatus = SceneReference['status'];

/**
 * A .blend may name any file of its creator's machine, so only regular files with an ending that Blender reads as such are taken,
 * the file behind a link included: the rest is `outside`.
 */
export async function fileStatus(path: string, kind: ReferenceKind): Promise<FileStatus> {
  const real = await realpath(path).catch(() => null);
  if (real === null) return 'missing';
  if (!(await stat(real)).isFile()) return 'missing';
  return [path, real].every((each) => ENDINGS[kind].has(extname(each).toLowerCase())) ? 'present' : 'outside';
}

/** Files that a path with a pattern stands for; empty where there are none. */
export async function expandPattern(path: string, pattern: SceneReference['pattern']): Promise<string[]> {
  if (pattern === 'sequence') return sequenceFiles(path);
  if (pattern === 'folder') return filesBelow(path);
  return [path];
}

/** As Blender decodes sequences: the last group of digits in the name counts. */
async function sequenceFiles(path: string): Promise<string[]> {
  const { dir, base } = parse(path);
  const match = /^(.*?)(\d+)(\D*)$/s.exec(base);
  if (!match) return [path];
  const [, head = '', , tail = ''] = match;
  const names = await readdir(dir).catch(() => []);
  const isFrame = (name: string) =>
    name.startsWith(head) && name.endsWith(tail) && /^\d+$/.test(name.slice(head.length, name.length - tail.length));
  return names
    .filter(isFrame)
    .sort()
    .slice(0, MAX_FILES)
    .map((name) => join(dir, name));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.sort().slice(0, MAX_FILES);
}
