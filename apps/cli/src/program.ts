import { PICTOR_VERSION } from '@pictor/protocol';
import { Command } from 'commander';
import { addAgent } from './commands/agent.ts';
import { addBench } from './commands/bench.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addDown } from './commands/down.ts';
import { addInspect } from './commands/inspect.ts';
import { addJob } from './commands/job.ts';
import { addRender } from './commands/render.ts';
import { addTest } from './commands/test.ts';
import { addUp } from './commands/up.ts';
import { addWorker } from './commands/worker.ts';

/** The whole command line: one function per command, each in a file of its own. */
export function createProgram(): Command {
  const program = new Command('pictor')
    .description('Pictor renders Blender projects across machines that share no disk.')
    .version(PICTOR_VERSION)
    .enablePositionalOptions()
    .showHelpAfterError('(--help says how)')
    .addHelpText(
      'after',
      `
Examples:
  pictor demo
  pictor render scene.blend --frames 1-8 --out frames
  pictor render --project film --file scenes/shot-010.blend

Data is kept in $PICTOR_HOME, by default ~/.local/share/pictor.`,
    )
    .exitOverride();
  for (const add of [
    addDemo,
    addRender,
    addInspect,
    addUp,
    addAgent,
    addWorker,
    addJob,
    addDown,
    addDoctor,
    addTest,
    addBench,
  ]) {
    add(program);
  }
  return program;
}
