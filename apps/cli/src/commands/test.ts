import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { repositoryRoot } from '../config.ts';
import { countTests, formatCounts, type TestCounts } from './count-tests.ts';

/** `pictor test`: lint, types and tests, with a closing line that CI reads. */
export function addTest(program: Command): void {
  program
    .command('test')
    .description('Run the linter, the type checker and all tests')
    .argument('[paths...]', 'run only the test files whose path contains one of these')
    .option('--quick', 'leave out whole-system tests (*.e2e.test.ts) and slow ones (*.slow.test.ts)')
    .addHelpText(
      'after',
      `
The last line is "N passed, N failed" (with ", N skipped" where some were). The exit code is 0 only if nothing failed.

Examples:
  pictor test
  pictor test --quick
  pictor test packages/frames apps/server`,
    )
    .action(async (paths: string[], options: { quick?: boolean }) => {
      process.exitCode = await runTests(paths, options.quick ?? false);
    });
}

async function runTests(paths: string[], quick: boolean): Promise<number> {
  const failedChecks: string[] = [];
  for (const [name, script, args] of [
    ['biome', '@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']],
    ['tsc', 'typescript/bin/tsc', ['--noEmit', '-p', '.']],
  ] as const) {
    console.log(`\n${name}: ${args.join(' ')}`);
    if ((await runScript(script, args)) !== 0) failedChecks.push(name);
  }
  const counts = await runVitest(paths, quick);
  for (const name of failedChecks) console.log(`${name} failed, see above`);
  // A failed check is one failure of its own: a closing line of "0 failed" must mean that all is well.
  const all: TestCounts = { ...counts, failed: counts.failed + failedChecks.length };
  console.log(formatCounts(all));
  return all.failed === 0 ? 0 : 1;
}

async function runVitest(paths: string[], quick: boolean): Promise<TestCounts> {
  const folder = await mkdtemp(join(tmpdir(), 'pictor-test-'));
  try {
    const results = join(folder, 'results.json');
    const exitCode = await runScript('vitest/vitest.mjs', [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${results}`,
      ...(quick ? ['--exclude=**/*.e2e.test.ts', '--exclude=**/*.slow.test.ts'] : []),
      ...paths,
    ]);
    const report = await readFile(results, 'utf8').then(JSON.parse, (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    return countTests(report, exitCode);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a script of node_modules in the clone. Returns its exit code (1 after a signal). */
function runScript(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(repositoryRoot, 'node_modules', script), ...args], {
    cwd: repositoryRoot,
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
