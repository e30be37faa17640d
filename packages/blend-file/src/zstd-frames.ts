/** Reads up to `length` bytes at `at`; fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Promise<Uint8Array>;

export interface ZstdFrame {
  from: number;
  /** Exclusive. */
  to: number;
  /** Holds no data, e.g. the seek table that Blender appends. */
  isSkippable: boolean;
}

const MOST_BLOCKS = 1_000_000;

/**
 * Finds where the zstd frame at `from` ends by its block headers, without decompressing. Blender writes a scene as many frames,
 * which Node.js's decompressor wants one by one.
 * `cut`: the file ends within the frame; `not-zstd`: no frame begins here; `too-many-blocks`: more than an honest file has.
 */
export async function findZstdFrame(
  readAt: ReadAt,
  from: number,
  sizeBytes: number,
): Promise<ZstdFrame | 'cut' | 'not-zstd' | 'too-many-blocks'> {
  const head = await bytesAt(readAt, from, 18);
  if (head.length < 5) return 'cut';
  const magic = head.getUint32(0);
  if (magic >>> 4 === 0x184d2a5) {
    if (head.length < 8) return 'cut';
    return frameUpTo(from + 8 + head.getUint32(4), true);
  }
  if (magic !== 0xfd2fb528) return 'not-zstd';
  const flags = head.getUint8(4);
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSizeFlag = flags >>> 6;
  const dictionaryIdBytes = [0, 1, 2, 4][flags & 3] as number;
  const contentSizeBytes = contentSizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << contentSizeFlag;
  let at = from + 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes;
  for (let blocks = 0; blocks < MOST_BLOCKS; blocks++) {
    const block = await bytesAt(readAt, at, 3);
    if (block.length < 3) return 'cut';
    const word = block.getUint16(0) | (block.getUint8(2) << 16);
    const isRunLength = ((word >>> 1) & 3) === 1;
    at += 3 + (isRunLength ? 1 : word >>> 3);
    if ((word & 1) === 1) return frameUpTo(at + ((flags & 4) !== 0 ? 4 : 0), false);
  }
  return 'too-many-blocks';

  function frameUpTo(to: number, isSkippable: boolean): ZstdFrame | 'cut' {
    return to > sizeBytes ? 'cut' : { from, to, isSkippable };
  }
}

/** Little-endian, as all of zstd is. */
async function bytesAt(readAt: ReadAt, at: number, length: number) {
  const bytes = await readAt(at, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    length: bytes.length,
    getUint8: (offset: number) => view.getUint8(offset),
    getUint16: (offset: number) => view.getUint16(offset, true),
    getUint32: (offset: number) => view.getUint32(offset, true),
  };
}
