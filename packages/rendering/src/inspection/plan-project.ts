import { homedir } from 'node:os';
import { dirname, join, normalize, relative, resolve, sep } from 'node:path';
import type { PathRemap, ProjectPlan, SceneReference } from '@pictor/protocol';

const EXTERNAL = '_external';

/**
 * Makes a project of a lone .blend and the files that it uses: their common folder is the root, what lies outside of it goes below
 * `_external/` under its full path, so that files which name each other by relative paths go on to find each other.
 *
 * @param file The .blend; absolute, or relative to the working directory.
 * @param references As `traceScene` gives them; only those that are present travel.
 */
export function planProject(file: string, references: SceneReference[]): ProjectPlan {
  const scene = resolve(file);
  const present = references.filter(({ status }) => status === 'present');
  const root = commonRoot(scene, present);
  const placeOf = (path: string) => placeBelow(root, path) ?? `${EXTERNAL}/${slashed(path).replace(/^\/+|:/g, '')}`;
  const sources = new Set([scene, ...present.map(({ resolved }) => resolved)]);
  const remaps = new Map<string, PathRemap>();
  for (const reference of present) {
    const remap = remapOf(reference, scene, placeOf);
    if (remap) remaps.set(remap.original, remap);
  }
  return {
    root,
    file: placeOf(scene),
    files: [...sources].map((source) => ({ path: placeOf(source), source })).sort((a, b) => (a.path < b.path ? -1 : 1)),
    remaps: [...remaps.values()],
  };
}

/** The deepest folder that holds the .blend and all that is named relative to it, but never the home folder or one above it. */
function commonRoot(scene: string, references: SceneReference[]): string {
  const home = homedir();
  let root = dirname(scene);
  for (const { path, resolved } of references) {
    if (!path.startsWith('//')) continue;
    let wider = root;
    while (placeBelow(wider, resolved) === null && dirname(wider) !== wider) wider = dirname(wider);
    const isTooWide = dirname(wider) === wider || wider === home || placeBelow(wider, home) !== null;
    if (!isTooWide) root = wider;
  }
  return root;
}

/** Where Blender would look for a path of the scene in the snapshot, if that is not where its content stands. */
function remapOf(reference: SceneReference, scene: string, placeOf: (path: string) => string): PathRemap | null {
  const written = portable(reference.path);
  const holder = reference.library ?? scene;
  const isRelative = written.startsWith('//');
  // The path as written and not `resolved`: a sequence or a UDIM is one path that stands for many files.
  const named = isRelative ? resolve(dirname(holder), written.slice(2)) : resolve(written);
  const path = placeOf(named);
  const seenAt = isRelative ? slashed(normalize(join(dirname(placeOf(holder)), written.slice(2)))) : null;
  if (seenAt === path) return null;
  return { original: seenAt === null ? slashed(normalize(written)) : `//${seenAt}`, path };
}

function placeBelow(folder: string, path: string): string | null {
  const place = relative(folder, path);
  return place === '' || place === '..' || place.startsWith(`..${sep}`) || resolve(place) === place
    ? null
    : slashed(place);
}

/** A .blend saved on Windows has backslashes. */
function portable(path: string): string {
  return path.startsWith('//') || /^[A-Za-z]:/.test(path) ? path.replaceAll('\\', '/') : path;
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}
