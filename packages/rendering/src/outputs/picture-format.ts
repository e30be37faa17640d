import { FORMAT_DEPTHS, type OutputFormat, type RenderSettings } from '@pictor/protocol';

/** Blender's names of the picture formats that it writes; the first six can be asked for, a scene may have any. */
export type PictureFormat = OutputFormat | 'BMP' | 'CINEON' | 'DPX' | 'HDR' | 'IRIS' | 'JPEG2000' | 'TARGA';

export interface FormatReader {
  format: Exclude<PictureFormat, 'OPEN_EXR_MULTILAYER'>;
  /** OpenImageIO's name of the reader, and the file ending by which it chooses that one. */
  plugin: string;
  extension: string;
}

const READERS: readonly (FormatReader & { magic: readonly string[] })[] = [
  { format: 'PNG', plugin: 'png', extension: 'png', magic: ['\x89PNG\r\n\x1a\n'] },
  { format: 'JPEG', plugin: 'jpeg', extension: 'jpg', magic: ['\xff\xd8\xff'] },
  { format: 'OPEN_EXR', plugin: 'openexr', extension: 'exr', magic: ['\x76\x2f\x31\x01'] },
  { format: 'TIFF', plugin: 'tiff', extension: 'tif', magic: ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'] },
  { format: 'BMP', plugin: 'bmp', extension: 'bmp', magic: ['BM'] },
  { format: 'CINEON', plugin: 'cineon', extension: 'cin', magic: ['\x80\x2a\x5f\xd7', '\xd7\x5f\x2a\x80'] },
  { format: 'DPX', plugin: 'dpx', extension: 'dpx', magic: ['SDPX', 'XPDS'] },
  { format: 'HDR', plugin: 'hdr', extension: 'hdr', magic: ['#?RADIANCE', '#?RGBE'] },
  { format: 'IRIS', plugin: 'sgi', extension: 'rgb', magic: ['\x01\xda'] },
  { format: 'JPEG2000', plugin: 'jpeg2000', extension: 'jp2', magic: ['\0\0\0\x0cjP  \r\n\x87\n', '\xff\x4f\xff\x51'] },
];
const WEBP: FormatReader = { format: 'WEBP', plugin: 'webp', extension: 'webp' };
const TARGA: FormatReader = { format: 'TARGA', plugin: 'targa', extension: 'tga' };

/**
 * Which decoder reads a file, by its first bytes (16 are enough): a hostile file does not get to choose among all the formats
 * that OpenImageIO knows. Null: none of Blender's. Targa alone has no mark, there the name counts.
 */
export function readerOf(start: Buffer, fileName: string): FormatReader | null {
  const text = start.toString('latin1');
  const marked = READERS.find(({ magic }) => magic.some((mark) => text.startsWith(mark)));
  if (marked) return marked;
  if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return WEBP;
  return /\.tga$/i.test(fileName) ? TARGA : null;
}

/** What is wrong with a picture whose format was asked for, as a sentence; null where it is as asked. */
export function formatMismatch(
  picture: { format: PictureFormat; depth: number },
  asked: NonNullable<RenderSettings['format']>,
): string | null {
  if (picture.format !== asked.type) return `${asked.type} was asked for, but the picture is ${picture.format}.`;
  const depth = asked.depth ?? FORMAT_DEPTHS[asked.type][0];
  if (asked.depth === undefined || picture.depth === depth) return null;
  return `${depth} bits a channel were asked for, but the picture has ${picture.depth}.`;
}
