import type { ObjectStore } from './object-store.ts';

const PARALLEL = 32;

/** Sizes of chunks, null for those the store does not have. */
export async function chunkSizes(store: ObjectStore, chunks: Iterable<string>): Promise<Map<string, number | null>> {
  const sizes = new Map<string, number | null>();
  const wanted = new Set(chunks).values();
  const measure = async () => {
    for (const sha256 of wanted) sizes.set(sha256, await store.chunkSize(sha256));
  };
  await Promise.all(Array.from({ length: PARALLEL }, measure));
  return sizes;
}

/** Which of these chunks the store does not have, each once. */
export async function findMissingChunks(store: ObjectStore, chunks: Iterable<string>): Promise<string[]> {
  const sizes = await chunkSizes(store, chunks);
  return [...sizes].filter(([, size]) => size === null).map(([sha256]) => sha256);
}
