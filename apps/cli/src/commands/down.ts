import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError } from '@pictor/protocol';
import type { Command } from 'commander';
import { config } from '../config.ts';
import { isRunning, type Keeper, readKeeper } from '../network/keeper-file.ts';
import { withJsonOption } from './options.ts';

const STOP_MS = 120_000;

/** `pictor down`: stops networks that were left running. */
export function addDown(program: Command): void {
  withJsonOption(
    program
      .command('down')
      .description('Stop the networks that run on this machine: pictor up, demo --keep, renders in the background'),
  )
    .addHelpText('after', '\nExamples:\n  pictor down')
    .action(async (options: { json?: boolean }) => {
      const names = await readdir(config.home).catch(() => []);
      let stopped = 0;
      for (const name of names.filter((each) => /^(server|embedded(-\d+)?)$/.test(each))) {
        const folder = join(config.home, name);
        const keeper = await readKeeper(folder);
        if (!keeper) continue;
        await stop(keeper, folder);
        stopped += 1;
        console.log(options.json ? JSON.stringify({ event: 'stopped', folder, pid: keeper.pid }) : `stopped ${folder}`);
      }
      if (stopped === 0 && !options.json) console.log('nothing was running');
    });
}

async function stop(keeper: Keeper, folder: string): Promise<void> {
  process.kill(keeper.pid, 'SIGTERM');
  for (const deadline = Date.now() + STOP_MS; await isRunning(keeper); ) {
    if (Date.now() > deadline) {
      throw new PictorError(
        'internal',
        `The network in ${folder} (process ${keeper.pid}) does not stop: see its logs there.`,
      );
    }
    await sleep(50);
  }
}
