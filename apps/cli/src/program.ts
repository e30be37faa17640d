import { PICTOR_VERSION } from '@pictor/protocol';
import { Command } from 'commander';
import { addTest } from './commands/test.ts';

/** The whole command line: one function per command, each in a file of its own. */
export function createProgram(): Command {
  const program = new Command('pictor')
    .description('Pictor renders Blender projects across machines that share no disk.')
    .version(PICTOR_VERSION)
    .showHelpAfterError('(--help says how)')
    .exitOverride();
  addTest(program);
  return program;
}
