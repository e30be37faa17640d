import { createGunzip, createZstdDecompress } from 'node:zlib';

/** Enough compressed bytes for any header; no more is ever handed to the decompressor, so a bomb has nothing to unfold. */
const INPUT_BYTES = 64 * 1024;

/** DecompressStart of Node.js. Stops at the first piece of output (16 KiB) that holds what is wanted. */
export function decompressStart(
  compression: 'gzip' | 'zstd',
  start: Uint8Array,
  wantedBytes: number,
): Promise<Uint8Array> {
  const options = { chunkSize: Math.max(wantedBytes, 16 * 1024) };
  const stream = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const finish = () => {
      stream.destroy();
      resolve(Buffer.concat(pieces));
    };
    stream.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length >= wantedBytes) finish();
    });
    // The input is cut on purpose: an early end is no news, and what came before it counts.
    stream.on('error', finish);
    stream.on('end', finish);
    stream.end(start.subarray(0, INPUT_BYTES));
  });
}
