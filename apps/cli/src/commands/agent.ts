import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { childEnvironment, repositoryRoot } from '../config.ts';
import { formatDuration } from '../terminal/format-quantities.ts';
import { collect, withJsonOption } from './options.ts';

/** `pictor agent`: the agent in the foreground, with lines that people can read. */
export function addAgent(program: Command): void {
  const command = program
    .command('agent')
    .description('Run an agent on this machine that renders for a server')
    .requiredOption('--config <file>', 'the worker-config.json of this worker')
    .option('--data <dir>', "folder for the agent's key, cache and reports (default: one of its own for each worker)")
    .option('--blender <path>', 'Blender to use beside those found (may be repeated)', collect)
    .option('--cache-bytes <n>', 'most bytes that its cache of project files may take');
  withJsonOption(command)
    .addHelpText(
      'after',
      `
The first start enrols this machine: the agent makes its own key, and the config works nowhere else from then on.
Ctrl-C finishes the frames in work; a second one stops at once.

Examples:
  pictor agent --config worker-config.json
  pictor agent --config worker-config.json --blender /opt/blender-4.2/blender`,
    )
    .action(
      async (options: { config: string; data?: string; blender?: string[]; cacheBytes?: string; json?: boolean }) => {
        process.exitCode = await runAgent(
          [
            '--config',
            resolve(options.config),
            ...(options.data === undefined ? [] : ['--data', resolve(options.data)]),
            ...(options.cacheBytes === undefined ? [] : ['--cache-bytes', options.cacheBytes]),
            ...(options.blender ?? []).flatMap((path) => ['--blender', resolve(path)]),
          ],
          options.json ?? false,
        );
      },
    );
}

async function runAgent(args: string[], json: boolean): Promise<number> {
  const agent = spawn(
    process.execPath,
    [join(repositoryRoot, 'apps/agent/src/main.ts'), 'run', '--exit-with-parent', ...args],
    {
      cwd: repositoryRoot,
      env: childEnvironment(),
      // Its log is for --json readers and files; people get the lines below.
      stdio: ['pipe', 'pipe', json ? 'inherit' : 'ignore'],
      detached: true,
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // SIGTERM is what the agent understands: once to drain, twice to stop.
      agent.kill('SIGTERM');
    });
  }
  createInterface({ input: agent.stdout }).on('line', (line) => {
    const text = json ? line : describe(JSON.parse(line));
    if (text !== null) (text.startsWith('error: ') ? process.stderr : process.stdout).write(`${text}\n`);
  });
  return new Promise((resolve, reject) => {
    agent.on('error', reject);
    agent.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 143)));
  });
}

function describe(event: Record<string, unknown>): string | null {
  const time = new Date().toLocaleTimeString('en-GB');
  switch (event.event) {
    case 'connected':
      return `${time} connected to ${event.server} as ${event.workerId}; Ctrl-C stops`;
    case 'disconnected':
      return `${time} disconnected: ${event.reason}; trying again`;
    case 'refused':
    case 'failed':
      return `error: ${event.message}`;
    case 'rendering':
      return `${time} frame ${event.frame}: rendering`;
    case 'delivered':
      return `${time} frame ${event.frame}: delivered, rendered in ${formatDuration(Number(event.renderSeconds))}`;
    case 'frame-failed':
      return `${time} frame ${event.frame}: failed (${event.failure}): ${event.message}`;
    case 'draining':
      return `${time} finishing the frames in work; Ctrl-C again stops at once`;
    case 'drained':
      return `${time} stopped`;
    default:
      return null;
  }
}
