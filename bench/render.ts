import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { type Network, startNetwork } from '../e2e/network.ts';
import { uploadProject } from '../e2e/upload-project.ts';
import { type BenchScene, makeBenchScenes } from './render-scenes.ts';
import { type Measured, median, pairedRatio, runRounds, spread } from './rounds.ts';
import { describeMachine, writeSection } from './write-section.ts';

/*
 * ./pictor bench render: what a frame costs with us, beside Blender itself. `ours` counts from job creation with an inspected
 * snapshot to the last frame stored, the server being up; every round has a snapshot of its own, so that no scene is warm from the
 * round before.
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, scene: { type: 'string', multiple: true } },
});
const say = (line: string) => console.log(line);
const run = promisify(execFile);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const blender = (args: string[]) => run('blender', ['-b', ...args], { maxBuffer: 2 ** 28 });

/** Rows of Blender alone: what everybody can have without us. */
function baselines(scene: BenchScene, out: string) {
  const pattern = join(out, '####');
  return [
    {
      name: 'a new Blender process per frame',
      run: () =>
        timed(async () => {
          for (let frame = scene.start; frame <= scene.end; frame++) {
            await blender([scene.file, '-o', pattern, '-F', 'PNG', '-x', '1', '-f', String(frame)]);
          }
        }),
    },
    {
      name: '`blender -b -a`',
      run: () =>
        timed(() =>
          blender([
            scene.file,
            '-o',
            pattern,
            '-F',
            'PNG',
            '-x',
            '1',
            '-s',
            `${scene.start}`,
            '-e',
            `${scene.end}`,
            '-a',
          ]),
        ),
    },
    {
      name: 'a bare warm script (the floor)',
      run: () =>
        timed(() =>
          blender([
            scene.file,
            '--python',
            join(import.meta.dirname, 'scenes/warm-floor.py'),
            '--',
            out,
            String(scene.start),
            String(scene.end),
          ]),
        ),
    },
  ];
}

function ours(scene: BenchScene, network: Network, folder: string, opened: number[]) {
  let round = 0;
  return {
    name: 'Pictor, one agent',
    run: async () => {
      round += 1;
      const project = join(folder, `${scene.name}-round-${round}`);
      await cp(dirname(scene.file), project, { recursive: true });
      await writeFile(join(project, 'round.txt'), String(round));
      const { snapshotId, inspectionId } = await uploadProject(network.client, project, basename(scene.file));
      // The standby is renewed after a session was used: a network that is up has one.
      await sleep(5000);
      const events = network.agents[0]?.events ?? [];
      const seen = events.length;
      const created = Date.now();
      const seconds = await timed(async () => {
        const job = await network.client.createJob({
          body: {
            name: scene.name,
            snapshotId,
            inspectionId,
            frames: `${scene.start}-${scene.end}`,
            settings: { file: basename(scene.file), format: { type: 'PNG', depth: 8 } },
          },
        });
        for await (const event of network.client.events({ jobId: job.jobId })) {
          if (event.type !== 'job.changed') continue;
          if (event.status === 'completed') break;
          if (event.status === 'failed') throw new Error(`the job failed: ${event.reason}`);
        }
      });
      const opening = events.slice(seen).find((event) => event.event === 'opening');
      if (opening) opened.push(Number(opening.at) - created);
      await rm(project, { recursive: true });
      return seconds;
    },
  };
}

function table(scene: BenchScene, rows: Measured[]): string {
  const animation = rows[1] as Measured;
  const floor = rows[2] as Measured;
  const ownRow = rows[3] as Measured;
  const frames = scene.end - scene.start + 1;
  const lines = rows.map(
    (row) =>
      `| ${row.name} | ${spread(row.seconds)} | ${(median(row.seconds) / frames).toFixed(2)} | ${pairedRatio(row, animation).toFixed(2)} | ${pairedRatio(row, floor).toFixed(2)} |`,
  );
  const against = pairedRatio(ownRow, floor);
  const share = pairedRatio(ownRow, animation);
  const met = (value: number, target: number) =>
    `${value.toFixed(2)} ${value <= target ? '≤' : '> (missed)'} ${target.toFixed(2)}`;
  return [
    `### ${scene.name}, ${frames} frames`,
    '',
    '| row | seconds, median (range) | seconds a frame | × `-b -a` | × floor |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
    '',
    `Targets: ${met(against, 1.1)} of the floor; ${met(share, scene.targetShare)} of \`blender -b -a\`.`,
  ].join('\n');
}

const folder = await mkdtemp(join(tmpdir(), 'pictor-bench-'));
say('making the scenes …');
const scenes = (await makeBenchScenes(folder)).filter((scene) => !values.scene || values.scene.includes(scene.name));
const network = await startNetwork({ agents: 1 });
try {
  const tables: string[] = [];
  const opened: number[] = [];
  for (const scene of scenes) {
    say(`\n${scene.name}: frames ${scene.start}-${scene.end}`);
    const rows = [...baselines(scene, join(folder, 'out')), ours(scene, network, folder, opened)];
    const measured = await runRounds(rows, Number(values.rounds), say);
    const text = table(scene, measured);
    say(`\n${text}`);
    tables.push(text);
  }
  const opening = `From job creation to Blender opening the scene, with a standby: ${spread(opened, 0)} ms (target: under 300).`;
  say(`\n${opening}`);
  await writeSection('render', [`${describeMachine()}; ${values.rounds} rounds.`, ...tables, opening].join('\n\n'));
} finally {
  await network.stop();
  await rm(folder, { recursive: true, force: true });
}
