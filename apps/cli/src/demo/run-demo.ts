import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseFrames } from '@pictor/frames';
import type { Connection } from '../network/connect.ts';
import { readInput } from '../project/read-input.ts';
import { type JobNetwork, openNetwork } from '../render/open-network.ts';
import { checkOut } from '../render/out-folder.ts';
import { readRenderOptions } from '../render/render-options.ts';
import { renderProject } from '../render/run-render.ts';
import type { CliEvent } from '../terminal/cli-event.ts';
import { createReporter } from '../terminal/create-reporter.ts';
import { formatDuration } from '../terminal/format-quantities.ts';
import { createInterruption, unlessAborted } from '../terminal/interruption.ts';
import { makeFilm } from './make-film.ts';
import { makeSampleScene } from './make-sample-scene.ts';

const AGENTS = 2;

/** Renders the sample scene on an embedded network, from nothing to a film. */
export async function runDemo(options: { out: string; keep?: boolean; json?: boolean }): Promise<void> {
  using interruption = createInterruption('stopped; nothing is left running');
  using reporter = createReporter(options);
  const { signal } = interruption;
  const say = (message: string) => reporter.report({ event: 'note', message });
  const started = performance.now();
  const out = resolve(options.out);
  await checkOut(out);

  say(`starting PostgreSQL, a server and ${AGENTS} agents`);
  const network = await openNetwork({
    server: {},
    mayUseServer: false,
    agents: AGENTS,
    blenders: [],
    report: reporter.report,
    signal,
  });
  let isLeft = false;
  try {
    await unlessAborted(network.embedded?.waitForAgents(AGENTS) ?? Promise.resolve(), signal);
    const { name: blenderName, path: blender } = await firstBlender(network);
    say(`the network is up at ${network.url}; both agents have ${blenderName}`);

    const scene = join(out, 'sample-scene.blend');
    await mkdir(out, { recursive: true });
    say(`making a sample scene with Blender: ${shown(scene)}`);
    await makeSampleScene(scene, blender, signal);
    const input = await readInput({ scene, out, blenders: [] });

    let job: Extract<CliEvent, { event: 'job' }> | null = null;
    let framesPerSecond = 24;
    await renderProject({
      network,
      input,
      order: readRenderOptions({ out, format: 'png' }),
      out,
      mayAsk: false,
      reporter: {
        ...reporter,
        report: (event) => {
          reporter.report(event);
          if (event.event === 'job') job = event;
          if (event.event === 'inspection') framesPerSecond = event.report.scenes[0]?.fps ?? framesPerSecond;
        },
      },
      interruption,
    });
    const film = join(out, 'sample-scene.mp4');
    const firstFrame = parseFrames((job as { frames: string } | null)?.frames ?? '1')[0] ?? 1;
    await makeFilm({ folder: out, firstFrame, framesPerSecond, file: film, signal });
    say(`made a film of the frames: ${shown(film)}`);

    say(summary({ out, film, scene, seconds: (performance.now() - started) / 1000 }));
    if (options.keep && network.embedded) {
      await network.embedded.leave({ do: 'keep' });
      isLeft = true;
      say(`
The network stays up at ${network.url}. Renders on this machine use it:
  pictor render ${shown(scene)} --frames 1-4 --out frames
  pictor job list
  pictor worker list
Stop it with:
  pictor down`);
    }
  } finally {
    if (!isLeft) await network.close();
  }
}

async function firstBlender(network: JobNetwork & Connection): Promise<{ name: string; path: string }> {
  const { workers } = await network.client.listWorkers({});
  const build = workers.flatMap((worker) => worker.capabilities?.builds ?? [])[0];
  return { name: `Blender ${build?.version ?? ''}`.trim(), path: build?.path ?? 'blender' };
}

/** A path as the user would type it. */
function shown(path: string): string {
  const short = relative('.', path);
  return short.startsWith('..') ? path : short;
}

function summary(demo: { out: string; film: string; scene: string; seconds: number }): string {
  return `
That was a whole render network, in ${formatDuration(demo.seconds)}: the scene was uploaded in chunks, inspected by an agent in
its sandbox, and its frames were leased to two agents that share no disk with the server, each with a warm Blender.
  frames  ${shown(demo.out)}/0001.png …
  film    ${shown(demo.film)}
  scene   ${shown(demo.scene)}

Try next:
  pictor render ${shown(demo.scene)} --frames 1-8 --resolution 200% --out frames
  pictor render your-scene.blend --out frames
  pictor up            a server that stays, for many jobs and more machines
  pictor doctor        what this machine can do`;
}
