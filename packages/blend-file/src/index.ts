export { assertReadableBy } from './assert-readable-by.ts';
export type { BlendHeader, Compression } from './blend-header.ts';
export { type BlendFileCheck, checkBlendFile } from './check-blend-file.ts';
export { decompressStart } from './decompress-start.ts';
export { type DecompressStart, HEADER_READ_BYTES, readBlendHeader } from './read-blend-header.ts';
