import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { config } from '../config.ts';
import { startProgram } from '../network/start-program.ts';
import { checkBlenders } from '../render/check-blenders.ts';
import { formatDuration } from '../terminal/format-quantities.ts';
import { collect, withJsonOption } from './options.ts';

interface AgentOptions {
  config: string;
  data?: string;
  blender?: string[];
  cacheBytes?: string;
  json?: boolean;
}

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
Ctrl-C finishes the frames in work; a second one stops at once. The log is $PICTOR_HOME/agent.log.

Examples:
  pictor agent --config worker-config.json
  pictor agent --config worker-config.json --blender /opt/blender-4.2/blender`,
    )
    .action(async (options: AgentOptions) => {
      process.exitCode = await runAgent(options);
    });
}

async function runAgent(options: AgentOptions): Promise<number> {
  const logFile = join(config.home, 'agent.log');
  const blenders = await checkBlenders(options.blender);
  let hasSaidWhy = false;
  const agent = startProgram({
    script: 'apps/agent/src/main.ts',
    args: [
      'run',
      '--exit-with-parent',
      '--config',
      resolve(options.config),
      ...(options.data === undefined ? [] : ['--data', resolve(options.data)]),
      ...(options.cacheBytes === undefined ? [] : ['--cache-bytes', options.cacheBytes]),
      ...blenders.flatMap((path) => ['--blender', path]),
    ],
    logFile,
    onEvent: (event) => {
      const isFailure = event.event === 'refused' || event.event === 'failed';
      hasSaidWhy ||= isFailure;
      if (options.json) console.log(JSON.stringify(event));
      const text = isFailure ? `error: ${event.message}` : options.json ? null : describe(event);
      if (text !== null) (isFailure ? process.stderr : process.stdout).write(`${text}\n`);
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // SIGTERM is what the agent understands: once to drain, twice to stop.
    process.on(signal, () => agent.kill('SIGTERM'));
  }
  const { code, signal } = await agent.exited;
  if (code !== 0 && !hasSaidWhy) {
    process.stderr.write(`error: The agent ended by ${signal ?? `exit code ${code}`}. Its log says why: ${logFile}\n`);
  }
  return code ?? 1;
}

function describe(event: Record<string, unknown>): string | null {
  const time = new Date().toLocaleTimeString('en-GB');
  switch (event.event) {
    case 'connected':
      return `${time} connected to ${event.server} as ${event.workerId}; Ctrl-C stops`;
    case 'disconnected':
      return `${time} disconnected: ${event.reason}; trying again`;
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
