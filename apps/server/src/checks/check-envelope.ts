import type { OutputFormat } from '@pictor/protocol';
import { type ObjectStore, readContent } from '../assets/index.ts';
import type { DeliveredFrame } from '../frames/index.ts';

/** How files of each format begin. */
const MAGIC: Record<OutputFormat, (head: Buffer) => boolean> = {
  PNG: startsWith('89504e470d0a1a0a'),
  JPEG: startsWith('ffd8ff'),
  OPEN_EXR: startsWith('762f3101'),
  OPEN_EXR_MULTILAYER: startsWith('762f3101'),
  TIFF: (head) => startsWith('49492a00')(head) || startsWith('4d4d002a')(head),
  WEBP: (head) => startsWith('52494646')(head) && head.subarray(8, 12).toString('latin1') === 'WEBP',
};
const HEAD_BYTES = 16;

function startsWith(hex: string): (head: Buffer) => boolean {
  const bytes = Buffer.from(hex, 'hex');
  return (head) => head.subarray(0, bytes.length).equals(bytes);
}

/**
 * Looks at the envelope of a delivered frame: whether the pictures are there, begin as files of their format, and are no larger than
 * the job asked. What is in the pictures it does not see. Null where all is well, else what is wrong, for people.
 */
export async function checkEnvelope(store: ObjectStore, frame: DeliveredFrame): Promise<string | null> {
  const { expected } = frame;
  const pictures = frame.outputs.filter((output) => output.kind === 'picture');
  if (pictures.length < expected.pictures) {
    return `${pictures.length} pictures were delivered, ${expected.pictures} were expected`;
  }
  for (const picture of pictures) {
    const { maxWidth, maxHeight } = expected;
    if ((maxWidth !== null && picture.width > maxWidth) || (maxHeight !== null && picture.height > maxHeight)) {
      return `${picture.path} has ${picture.width}×${picture.height} pixels, ${maxWidth}×${maxHeight} were asked for`;
    }
    if (expected.format === null) continue;
    const head = await readHead(store, picture);
    if (!MAGIC[expected.format](head)) return `${picture.path} does not begin as a ${expected.format} file`;
  }
  return null;
}

async function readHead(store: ObjectStore, output: { chunks: string[]; sizeBytes: number }): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const end = Math.min(HEAD_BYTES, output.sizeBytes) - 1;
  for await (const piece of readContent(store, output, { start: 0, end })) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
