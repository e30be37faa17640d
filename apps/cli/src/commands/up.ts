import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import type { Command } from 'commander';
import { config } from '../config.ts';
import { removeKeeper, writeKeeper } from '../network/keeper-file.ts';
import { runKeeper } from '../network/run-keeper.ts';
import { type NetworkEvent, startNetwork } from '../network/start-network.ts';
import { checkBlenders } from '../render/check-blenders.ts';
import { readAgents } from '../render/render-options.ts';
import { createInterruption } from '../terminal/interruption.ts';
import { collect, withJsonOption } from './options.ts';

interface UpOptions {
  agents?: string;
  listen: string;
  publicUrl?: string;
  blender?: string[];
  json?: boolean;
  embedded?: boolean;
}

/** `pictor up`: a server and local agents, until Ctrl-C. */
export function addUp(program: Command): void {
  const command = program
    .command('up')
    .description('Start a server and local agents; Ctrl-C stops them')
    .option('--agents <n>', 'agents on this machine, 0 for none (default: 1)')
    .option('--listen <host:port>', 'address of the server', '127.0.0.1:7878')
    .option('--public-url <url>', 'address that agents on other machines reach it at (default: that of --listen)')
    .option('--blender <path>', 'Blender for the agents beside those they find (may be repeated)', collect);
  command.addOption(command.createOption('--embedded', 'keep a network for the command that started this').hideHelp());
  withJsonOption(command)
    .addHelpText(
      'after',
      `
The data (PostgreSQL, uploaded files, frames) stays in $PICTOR_HOME/server, by default ~/.local/share/pictor/server.
While it is up, render and job commands on this machine use it without --server.

Examples:
  pictor up
  pictor up --agents 0 --listen 0.0.0.0:7878 --public-url http://10.0.0.5:7878    for agents on other machines
  pictor worker create render-node-1 > worker-config.json`,
    )
    .action(async (options: UpOptions) => {
      const blenders = await checkBlenders(options.blender);
      const agents = readAgents(options.agents, 1, 0);
      return options.embedded ? runKeeper({ agents, blenders }) : runUp(options, agents, blenders);
    });
}

async function runUp(options: UpOptions, agents: number, blenders: string[]): Promise<void> {
  using interruption = createInterruption();
  const folder = join(config.home, 'server');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const say = (event: NetworkEvent | { event: string }, text: string) =>
    console.log(options.json ? JSON.stringify(event) : text);
  const network = await startNetwork({
    dataDir: folder,
    listen: options.listen,
    publicUrl: options.publicUrl,
    agents,
    blenders,
    onEvent: (event) => {
      say(event, describe(event));
      if (event.event === 'server-failed') failed.reject(new PictorError('internal', event.message));
    },
  });
  await writeKeeper(folder, 'up');
  try {
    say(
      { event: 'ready', url: network.url, dataDir: folder } as { event: string },
      `Pictor is up at ${network.url}
  data: ${folder}
  render: pictor render scene.blend
  add an agent: pictor worker create NAME > worker-config.json, then on its machine: pictor agent --config worker-config.json
  stop: Ctrl-C`,
    );
    await Promise.race([stopSignal(interruption.signal), failed.promise]);
  } finally {
    const isSecond = watchSecondSignal();
    if (agents > 0 && !options.json) console.log('stopping; agents finish the frames in work (Ctrl-C again: at once)');
    await Promise.race([network.stop({ drain: true }), isSecond.then(() => network.stop({ drain: false }))]);
    await removeKeeper(folder);
    if (!options.json) console.log('stopped');
  }
}

function describe(event: NetworkEvent): string {
  switch (event.event) {
    case 'agent-connected':
      return `agent ${event.agent} is connected`;
    case 'agent-failed':
    case 'server-failed':
      return `error: ${event.message}`;
    case 'restarted':
      return `warning: the ${event.program} ${event.reason} and is started again`;
  }
}

function stopSignal(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function watchSecondSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
