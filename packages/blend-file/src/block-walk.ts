import { PictorError } from '@pictor/protocol';
import type { BlendHeader } from './blend-header.ts';

const ENDB = 0x454e4442;

/**
 * Follows the block headers of a .blend to the closing ENDB without looking at what is in the blocks. Fed with pieces of the
 * (decompressed) file in order; pieces before `wantsAt` may be left out, so a file is walked by seeking.
 */
export class BlockWalk {
  /** Whether ENDB was reached: the file is whole. */
  isEnded = false;
  readonly #header: BlendHeader;
  readonly #name: string;
  readonly #headBytes: number;
  #blockAt: number;
  #lastBlockAt = 0;
  #carry: Uint8Array = new Uint8Array(0);

  constructor(header: BlendHeader, name: string) {
    this.#header = header;
    this.#name = name;
    this.#headBytes = header.headerFormat === 1 ? 32 : header.pointerBytes === 8 ? 24 : 20;
    this.#blockAt = header.headerBytes;
  }

  /** The next byte of the file that matters. */
  get wantsAt(): number {
    return this.#blockAt + this.#carry.length;
  }

  /**
   * Takes the piece of the file that begins at `at`.
   *
   * @throws PictorError `blend-truncated` where a block's length cannot be
   */
  push(piece: Uint8Array, at: number): void {
    const skipped = Math.max(0, this.wantsAt - at);
    if (this.isEnded || skipped >= piece.length) return;
    const bytes =
      this.#carry.length > 0 ? Buffer.concat([this.#carry, piece.subarray(skipped)]) : piece.subarray(skipped);
    const bytesAt = this.#blockAt;
    this.#carry = new Uint8Array(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (!this.isEnded) {
      const offset = this.#blockAt - bytesAt;
      if (offset >= bytes.length) return;
      if (offset + this.#headBytes > bytes.length) {
        // A copy: the caller reads the next piece into the same buffer.
        this.#carry = Uint8Array.from(bytes.subarray(offset));
        return;
      }
      this.#step(view, offset);
    }
  }

  /**
   * Says that the file ended after `sizeBytes`.
   *
   * @throws PictorError `blend-truncated` where that was before its end
   */
  finish(sizeBytes: number): void {
    // Nothing of the closing block but its name matters, and Blender opens files that end right after it.
    if (this.#carry.length >= 4 && new DataView(this.#carry.buffer, this.#carry.byteOffset).getUint32(0) === ENDB)
      return;
    if (this.isEnded) return;
    throw truncated(
      this.#name,
      this.#blockAt > sizeBytes
        ? `the block at byte ${this.#lastBlockAt} goes on to byte ${this.#blockAt}, but the file ends at ${sizeBytes}`
        : `the file ends at byte ${sizeBytes} without its closing block`,
    );
  }

  #step(view: DataView, offset: number): void {
    if (view.getUint32(offset) === ENDB) {
      this.isEnded = true;
      return;
    }
    const { littleEndian, headerFormat } = this.#header;
    const length =
      headerFormat === 1
        ? Number(view.getBigInt64(offset + 16, littleEndian))
        : view.getInt32(offset + 4, littleEndian);
    if (length < 0 || length > Number.MAX_SAFE_INTEGER / 2) {
      throw truncated(this.#name, `the block at byte ${this.#blockAt} claims a length of ${length}`);
    }
    this.#lastBlockAt = this.#blockAt;
    this.#blockAt += this.#headBytes + length;
  }
}

/** The refusal of a file that does not reach its end. */
export function truncated(name: string, why: string): PictorError {
  return new PictorError(
    'blend-truncated',
    `${name} is truncated or damaged: ${why}. Copy the file anew, or save the scene again in Blender.`,
  );
}
