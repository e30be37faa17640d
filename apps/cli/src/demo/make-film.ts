import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import { runTool } from './run-tool.ts';

/** H.264 plays everywhere; where ffmpeg was built without it, MPEG-4 Part 2 is in every build. */
const ENCODERS = [
  ['-c:v', 'libx264', '-crf', '18', '-pix_fmt', 'yuv420p'],
  ['-c:v', 'mpeg4', '-q:v', '3', '-pix_fmt', 'yuv420p'],
];

/** Makes an MP4 of the pictures `0001.png`, … of a folder. `file` appears when it is complete. */
export async function makeFilm(options: {
  folder: string;
  firstFrame: number;
  framesPerSecond: number;
  file: string;
  signal: AbortSignal;
}): Promise<void> {
  const part = `${options.file}.part.mp4`;
  const input = [
    '-framerate',
    String(options.framesPerSecond),
    '-start_number',
    String(options.firstFrame),
    '-i',
    join(options.folder, '%04d.png'),
  ];
  // Both encoders halve the colour's resolution: an odd width or height gets one more line.
  const shape = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-movflags', '+faststart'];
  let output = '';
  try {
    for (const encoder of ENCODERS) {
      const args = ['-nostdin', '-loglevel', 'error', '-y', ...input, ...shape, ...encoder, part];
      const result = await runTool('ffmpeg', args, options.signal);
      if (result.code === 0) return await rename(part, options.file);
      output = result.output;
    }
  } finally {
    await rm(part, { force: true });
  }
  throw new PictorError('internal', `ffmpeg could not make ${options.file}:\n${output}`);
}
