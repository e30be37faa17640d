export { assetHandlers } from './asset-handlers.ts';
export { type ClaimedFile, checkContent } from './check-content.ts';
export { createSnapshot, insertSnapshot } from './create-snapshot.ts';
export { findMissingChunks } from './find-missing-chunks.ts';
export { createFolderStore } from './folder-store.ts';
export { getSnapshot, isChunkOfSnapshot } from './get-snapshot.ts';
export type { ObjectStore } from './object-store.ts';
export { readContent } from './read-content.ts';
export { receiveChunk } from './receive-chunk.ts';
