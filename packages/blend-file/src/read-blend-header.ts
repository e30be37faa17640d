import { PictorError } from '@pictor/protocol';
import {
  type BlendHeader,
  compressionOf,
  isCutHeader,
  LONGEST_HEADER_BYTES,
  parseBlendHeader,
} from './blend-header.ts';
import { guessFileKind } from './guess-file-kind.ts';

/** As many first bytes of a file as tell its header, compressed or not. */
export const HEADER_READ_BYTES = 64 * 1024;

/**
 * Decompresses the beginning of a file: gives at least `wantedBytes` where the input holds them, fewer where it is cut or
 * damaged, and stops there. Injected, because browsers and Node.js decompress differently.
 */
export type DecompressStart = (
  compression: 'gzip' | 'zstd',
  start: Uint8Array,
  wantedBytes: number,
) => Promise<Uint8Array>;

/**
 * Reads what a .blend says of itself from its first bytes (HEADER_READ_BYTES of them, or the whole file where it is smaller).
 * `name` is the file's name for messages.
 *
 * @throws PictorError `blend-empty`, `blend-truncated`, `not-a-blend`
 */
export async function readBlendHeader(
  start: Uint8Array,
  options: { name: string; decompressStart: DecompressStart },
): Promise<BlendHeader> {
  const { name } = options;
  if (start.length === 0) {
    throw new PictorError('blend-empty', `${name} is empty (0 bytes). Save the scene again, or copy the file anew.`);
  }
  const compression = compressionOf(start);
  const plain =
    compression === 'none' ? start : await options.decompressStart(compression, start, LONGEST_HEADER_BYTES);
  const header = parseBlendHeader(plain, compression);
  if (header) return header;
  if (isCutHeader(plain) || (compression !== 'none' && plain.length === 0)) {
    const damaged = compression === 'none' ? '' : ` (${compression}-compressed)`;
    throw new PictorError(
      'blend-truncated',
      `${name}${damaged} is truncated: it ends within its header, after ${start.length} bytes. Copy the file anew, or save the scene again.`,
    );
  }
  if (String.fromCharCode(...plain.subarray(0, 7)) === 'BLENDER') {
    throw new PictorError(
      'not-a-blend',
      `${name} begins like a .blend, but its header is of a kind that Pictor does not know. Save it with a released Blender, or update Pictor.`,
    );
  }
  const kind = guessFileKind(start, plain, compression);
  throw new PictorError('not-a-blend', `${name} is not a .blend file${kind.what}. ${kind.advice}`);
}
