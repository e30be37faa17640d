import type { Compression } from './blend-header.ts';

const ADVICE = 'Give the .blend that Blender saved.';

const KINDS: readonly { begins: string; what: string; advice?: string }[] = [
  {
    begins: 'version https://git-lfs',
    what: 'a Git LFS pointer, not the file itself',
    advice: 'Fetch the file with `git lfs pull`.',
  },
  { begins: 'PK\u0003\u0004', what: 'a ZIP archive', advice: 'Unpack it and give the .blend in it.' },
  { begins: '7z\u00bc\u00af', what: 'a 7-Zip archive', advice: 'Unpack it and give the .blend in it.' },
  { begins: 'Rar!', what: 'a RAR archive', advice: 'Unpack it and give the .blend in it.' },
  {
    begins: 'Kaydara FBX Binary',
    what: 'an FBX file',
    advice: 'Import it in Blender and save the scene as a .blend.',
  },
  { begins: 'glTF', what: 'a glTF file', advice: 'Import it in Blender and save the scene as a .blend.' },
  { begins: '\u0089PNG', what: 'a PNG picture' },
  { begins: '\u00ff\u00d8\u00ff', what: 'a JPEG picture' },
  { begins: '<!DOCTYPE', what: 'a web page', advice: 'Download the file itself, not the page about it.' },
  { begins: '<html', what: 'a web page', advice: 'Download the file itself, not the page about it.' },
];

/** What a file that is no .blend seems to be, and what to do then, as ends of sentences. */
export function guessFileKind(
  start: Uint8Array,
  plain: Uint8Array,
  compression: Compression,
): { what: string; advice: string } {
  const text = String.fromCharCode(...start.subarray(0, 64));
  const known = KINDS.find((kind) => text.toLowerCase().startsWith(kind.begins.toLowerCase()));
  if (known) return { what: `: it is ${known.what}`, advice: known.advice ?? ADVICE };
  if (compression !== 'none') {
    return { what: `: it is ${compression}-compressed, but what is in it is not a scene`, advice: ADVICE };
  }
  const isText = plain.subarray(0, 512).every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
  return { what: isText ? ': it is text' : ': it does not begin with BLENDER', advice: ADVICE };
}
