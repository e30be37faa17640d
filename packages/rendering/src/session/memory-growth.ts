const FACTOR = 1.5;
const BYTES = 1024 ** 3;
/** What the first frames load stays, and is no growth. */
const SETTLING_FRAMES = 2;

/** Tells when a Blender keeps so much more memory from frame to frame that it should be replaced. */
export class MemoryGrowth {
  #frames = 0;
  #settledBytes = 0;

  /** Counts a frame; true where its memory is beyond what the first frames needed by half, and by one GiB. */
  isOutgrownBy(frameBytes: number): boolean {
    this.#frames += 1;
    if (this.#frames <= SETTLING_FRAMES) {
      this.#settledBytes = Math.max(this.#settledBytes, frameBytes);
      return false;
    }
    return frameBytes > Math.max(this.#settledBytes * FACTOR, this.#settledBytes + BYTES);
  }
}
