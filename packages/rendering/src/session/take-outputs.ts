import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import type { RenderResult } from '../driver/driver-answers.ts';
import { RenderFailure } from '../render-failure.ts';
import type { SandboxedProcess } from '../sandbox/index.ts';

/** A file of a frame, out of the sandbox. */
export interface RenderedFile {
  /** `picture`: the main picture (one per view); `file-output`: of a File Output node. */
  kind: 'picture' | 'file-output';
  /** In the job's tree of outputs: `0001.png`, `File Output/Image0001.exr`. */
  path: string;
  localPath: string;
  sizeBytes: number;
}

/** `0001` as Blender fills `####`: five digits grow, a minus comes before the zeros. */
export function frameName(frame: number): string {
  return `${frame < 0 ? '-' : ''}${String(Math.abs(frame)).padStart(4, '0')}`;
}

/**
 * Moves the files of a frame out of the sandbox into `destination`: main pictures by their name, which follows from the frame's
 * number, and what lies in the folders of its File Output nodes. Everything else in the output folder is left there.
 *
 * @throws RenderFailure `no-output` where files are missing, `output-refused` for what no output may be, `disk-full`.
 */
export async function takeOutputs(
  sandboxed: SandboxedProcess,
  frame: { number: number; extension: string; result: RenderResult },
  destination: string,
): Promise<RenderedFile[]> {
  const names = (await sandboxed.listOutputs()).map(({ name }) => name);
  const pictures = names.filter((name) => isPictureOf(frame.number, frame.extension, name));
  const { pictures: picturesWanted, fileOutputs } = frame.result;
  if (pictures.length < picturesWanted) {
    // What stands at its place and is no regular file is refused by name.
    await take(sandboxed, 'picture', frameName(frame.number) + frame.extension, destination);
    const missing = picturesWanted === 1 ? 'its picture' : `${picturesWanted - pictures.length} of its pictures`;
    throw new RenderFailure('no-output', `Blender rendered frame ${frame.number} without writing ${missing}.`);
  }
  const files: RenderedFile[] = [];
  for (const name of pictures) files.push(await take(sandboxed, 'picture', name, destination));
  for (const { folder, files: filesWanted } of fileOutputs) {
    const inFolder = names.filter((name) => name.startsWith(`${folder}/`));
    if (inFolder.length < filesWanted) {
      throw new RenderFailure(
        'no-output',
        `The File Output node ${folder} wrote ${inFolder.length} of its ${filesWanted} files at frame ${frame.number}.`,
      );
    }
    for (const name of inFolder) files.push(await take(sandboxed, 'file-output', name, destination));
  }
  return files;
}

/** `0001.png`, with views `0001_L.png`, and the JPEG preview that some EXR settings write beside it. */
function isPictureOf(frame: number, extension: string, name: string): boolean {
  const base = frameName(frame);
  if (name.includes('/') || !name.startsWith(base)) return false;
  const rest = name.slice(base.length);
  return !/^\d/.test(rest) && (rest.endsWith(extension) || rest === '.jpg');
}

async function take(
  sandboxed: SandboxedProcess,
  kind: RenderedFile['kind'],
  name: string,
  destination: string,
): Promise<RenderedFile> {
  const localPath = join(destination, name);
  try {
    const { sizeBytes } = await sandboxed.takeOutput(name, localPath);
    return { kind, path: name, localPath, sizeBytes };
  } catch (error) {
    throw asRenderFailure(error, name);
  }
}

/** Moves the file that a bake has left out of the sandbox. @throws RenderFailure as `takeOutputs`. */
export async function takeBaked(sandboxed: SandboxedProcess, name: string, localPath: string): Promise<void> {
  try {
    await sandboxed.takeOutput(name, localPath);
  } catch (error) {
    throw asRenderFailure(error, name);
  }
}

function asRenderFailure(error: unknown, name: string): unknown {
  if (!(error instanceof PictorError)) return error;
  if (error.code === 'disk-full') return new RenderFailure('disk-full', error.message, { cause: error });
  if (error.code === 'not-found') {
    return new RenderFailure('no-output', `Blender finished without writing ${name}.`, { cause: error });
  }
  return new RenderFailure('output-refused', error.message, { cause: error });
}
