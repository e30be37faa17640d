import type { Command } from 'commander';
import { runDemo } from '../demo/run-demo.ts';
import { withJsonOption } from './options.ts';

/** `pictor demo`: everything once, on this machine. */
export function addDemo(program: Command): void {
  withJsonOption(
    program
      .command('demo')
      .description('Render a sample scene on a network of its own: frames and a film in pictor-demo/')
      .option('--out <dir>', 'folder for scene, frames and film', 'pictor-demo')
      .option('--keep', 'leave the network up'),
  )
    .addHelpText(
      'after',
      `
Starts PostgreSQL, a server and two agents, makes a sample scene with Blender, uploads and inspects it, renders its
animation, fetches the frames, makes a film of them, and stops everything.

Examples:
  pictor demo
  pictor demo --keep`,
    )
    .action((options: { out: string; keep?: boolean; json?: boolean }) => runDemo(options));
}
