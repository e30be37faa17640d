import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BlenderBuild } from '@pictor/protocol';
import { z } from 'zod';

/** What a probe depends on: a change of one of these asks for another. */
const ProbeKey = z.object({
  sizeBytes: z.number(),
  modifiedMs: z.number(),
  sandbox: z.string(),
  hasXvfb: z.boolean(),
});
export type ProbeKey = z.infer<typeof ProbeKey>;

/** By path. */
const CacheFile = z.record(z.string(), z.object({ key: ProbeKey, build: BlenderBuild }));

export async function readProbedBuild(cacheFile: string, path: string, key: ProbeKey): Promise<BlenderBuild | null> {
  const entry = (await read(cacheFile))[path];
  return entry && JSON.stringify(entry.key) === JSON.stringify(ProbeKey.parse(key)) ? entry.build : null;
}

export async function writeProbedBuild(cacheFile: string, key: ProbeKey, build: BlenderBuild): Promise<void> {
  const entries = { ...(await read(cacheFile)), [build.path]: { key: ProbeKey.parse(key), build } };
  await mkdir(dirname(cacheFile), { recursive: true });
  const written = `${cacheFile}.${process.pid}`;
  await writeFile(written, JSON.stringify(entries, null, 2));
  await rename(written, cacheFile);
}

/** A cache that cannot be read is an empty one. */
async function read(cacheFile: string): Promise<z.infer<typeof CacheFile>> {
  try {
    return CacheFile.parse(JSON.parse(await readFile(cacheFile, 'utf8')));
  } catch {
    return {};
  }
}
