import { ERRORS, PictorError } from '@pictor/protocol';
import { readConfig, USAGE } from './config.ts';

/** Does what the command line asks for and ends the process. What it refuses is told on both streams. */
export async function runCommandLine(args: string[]): Promise<never> {
  // Whoever read these may be gone before the agent is.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  // What the sandbox's users shall read must not depend on who starts the agent; its data folder is closed as a whole.
  process.umask(0o022);
  const exitCode = await tryCommand(args);
  // Timers and sockets that something left behind must not keep a finished agent alive.
  process.exit(exitCode);
}

async function tryCommand(args: string[]): Promise<number> {
  try {
    return await doCommand(args);
  } catch (error) {
    const isRefusal = error instanceof PictorError;
    const code = isRefusal ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`${JSON.stringify({ event: 'failed', code, message })}\n`);
    process.stderr.write(`${isRefusal ? message : (error as Error).stack}\n`);
    return isRefusal ? ERRORS[code].exitCode : 1;
  }
}

/** Only the modules of the command that is asked for are loaded. */
async function doCommand(args: string[]): Promise<number> {
  const config = readConfig(args);
  switch (config.command) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'run':
      return (await import('./commands/run.ts')).run(config);
    case 'trace':
      return (await import('./commands/trace.ts')).trace(config);
    case 'doctor':
      return (await import('./commands/doctor.ts')).doctor(config);
  }
}
