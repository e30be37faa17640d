export type Compression = 'none' | 'gzip' | 'zstd';

/** What the first bytes of a .blend say. */
export interface BlendHeader {
  /** Version that saved the file as people write it: `2.79`, `3.4`, `5.2`. The patch level is not in the header. */
  version: string;
  major: number;
  minor: number;
  compression: Compression;
  pointerBytes: 4 | 8;
  littleEndian: boolean;
  /** 0: the classic 12 bytes. 1: the 17 bytes of Blender 5, whose blocks may be longer than 2 GiB. */
  headerFormat: 0 | 1;
  /** Where the first block begins, after decompression. */
  headerBytes: 12 | 17;
}

const CLASSIC = /^BLENDER([-_])([vV])(\d)(\d\d)/;
const WIDE = /^BLENDER17-01v(\d\d)(\d\d)/;

/** How many bytes tell every header. */
export const LONGEST_HEADER_BYTES = 17;

/** Reads the header from the first bytes of a file that is not (or no longer) compressed. Null: it is not a .blend. */
export function parseBlendHeader(bytes: Uint8Array, compression: Compression): BlendHeader | null {
  const text = String.fromCharCode(...bytes.subarray(0, LONGEST_HEADER_BYTES));
  const wide = WIDE.exec(text);
  if (wide) {
    return {
      ...versionOf(Number(wide[1]), Number(wide[2])),
      compression,
      pointerBytes: 8,
      littleEndian: true,
      headerFormat: 1,
      headerBytes: 17,
    };
  }
  const classic = CLASSIC.exec(text);
  if (!classic) return null;
  return {
    ...versionOf(Number(classic[3]), Number(classic[4])),
    compression,
    pointerBytes: classic[1] === '-' ? 8 : 4,
    littleEndian: classic[2] === 'v',
    headerFormat: 0,
    headerBytes: 12,
  };
}

/** Up to 2.9x minor versions had two digits: 2.80, but 3.0. */
function versionOf(major: number, minor: number): { version: string; major: number; minor: number } {
  const shown = major < 3 ? String(minor).padStart(2, '0') : String(minor);
  return { version: `${major}.${shown}`, major, minor };
}

/** Whether the bytes are the beginning of a header that was cut off. */
export function isCutHeader(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes.subarray(0, LONGEST_HEADER_BYTES));
  if (text.length < 7) return text.length > 0 && 'BLENDER'.startsWith(text);
  return /^BLENDER([-_]([vV]\d{0,2})?|1(7(-(0(1(v\d{0,3})?)?)?)?)?)?$/.test(text);
}

/** How a file is compressed, by its first bytes. */
export function compressionOf(bytes: Uint8Array): Compression {
  const [a, b, c, d] = bytes;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  return 'none';
}
