import type { OutputFormat } from '@pictor/protocol';

/** What every frame of a job must leave, as far as it is known beforehand. Stored with the job. */
export interface ExpectedOutputs {
  /** Main pictures of a frame: one for each view, or one. */
  pictures: number;
  /** Format of the main pictures; null where the scene's own is one that Pictor does not know. */
  format: OutputFormat | null;
  /** Size of the main pictures in pixels at most (a scene may crop to its render border); null where views are put into one picture. */
  maxWidth: number | null;
  maxHeight: number | null;
}
