import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import type { Command } from 'commander';
import { childEnvironment, repositoryRoot } from '../config.ts';

/** Scripts of bench/, each a benchmark. */
const BENCHMARKS = ['render', 'upload', 'footprint'];

/** `pictor bench`: runs a benchmark of bench/. */
export function addBench(program: Command): void {
  program
    .command('bench')
    .description('Run a benchmark; its results go to docs/benchmarks.md')
    .argument('<name>', BENCHMARKS.join(', '))
    .argument('[args...]', "the benchmark's own options")
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  pictor bench render
  pictor bench render --rounds 3`,
    )
    .action(async (name: string, args: string[]) => {
      process.exitCode = await runBench(name, args);
    });
}

async function runBench(name: string, args: string[]): Promise<number> {
  if (!BENCHMARKS.includes(name)) {
    throw new PictorError(
      'usage',
      `There is no benchmark ${JSON.stringify(name)}. There are: ${BENCHMARKS.join(', ')}.`,
    );
  }
  const child = spawn(process.execPath, [join(repositoryRoot, 'bench', `${name}.ts`), ...args], {
    cwd: repositoryRoot,
    env: childEnvironment(),
    stdio: 'inherit',
  });
  // Ctrl-C reaches the benchmark too, which stops what it started; its exit code tells.
  process.on('SIGINT', () => {});
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 130 : 1)));
  });
}
