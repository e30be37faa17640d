import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startNetwork } from '../e2e/network.ts';
import { pairedRatio, runRounds, spread } from './rounds.ts';
import { describeMachine, writeSection } from './write-section.ts';

/*
 * ./pictor bench upload: a file that nobody has seen, over loopback into the folder store, beside `sha256sum` and `cp` of the same
 * file. Each round rewrites every chunk, so that nothing is there already.
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, megabytes: { type: 'string', default: '2048' } },
});
const say = (line: string) => console.log(line);
const run = promisify(execFile);
const CHUNK_BYTES = 16 * 2 ** 20;

async function writeRandomFile(path: string, megabytes: number): Promise<void> {
  const block = randomFillSync(Buffer.allocUnsafe(CHUNK_BYTES));
  const file = await open(path, 'w');
  for (let written = 0; written < megabytes * 2 ** 20; written += CHUNK_BYTES) {
    // A few fresh bytes make a chunk that no store has.
    randomFillSync(block, 0, 32);
    await file.write(block);
  }
  await file.close();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const folder = await mkdtemp(join(tmpdir(), 'pictor-bench-'));
const file = join(folder, 'large.bin');
const network = await startNetwork({ agents: 0 });
try {
  let sentBytes = 0;
  const upload = () =>
    network.client.uploadFiles([{ path: 'large.bin', absolutePath: file }], {
      onProgress: (progress) => {
        sentBytes = progress.sentBytes;
      },
    });
  const rows = [
    {
      name: '`sha256sum`',
      run: async () => {
        await writeRandomFile(file, Number(values.megabytes));
        return timed(() => run('sha256sum', [file]));
      },
    },
    { name: '`cp`', run: () => timed(() => run('cp', [file, `${file}.copy`])) },
    { name: 'Pictor, first upload', run: () => timed(upload) },
    { name: 'Pictor, the same file again', run: () => timed(upload) },
  ];
  const measured = await runRounds(rows, Number(values.rounds), say);
  const [hash] = measured;
  if (!hash) throw new Error('nothing was measured');
  const lines = measured.map(
    (row) => `| ${row.name} | ${spread(row.seconds)} | ${pairedRatio(row, hash).toFixed(2)} |`,
  );

  const one = await open(file, 'r+');
  await one.write(Buffer.from('changed'), 0, 7, 100 * 2 ** 20);
  await one.close();
  await upload();

  const text = [
    `${describeMachine()}; ${values.megabytes} MiB, ${values.rounds} rounds.`,
    ['| row | seconds, median (range) | × `sha256sum` |', '| --- | --- | --- |', ...lines].join('\n'),
    `Target: first upload at most 2.00 × \`sha256sum\`. After seven bytes in the middle of the file were changed, ${(sentBytes / 2 ** 20).toFixed(0)} MiB were sent (one chunk is 16 MiB).`,
    `The uploading process took at most ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB of memory.`,
  ].join('\n\n');
  say(text);
  await writeSection('upload', text);
} finally {
  await network.stop();
  await rm(folder, { recursive: true, force: true });
}
