import { enableCompileCache, flushCompileCache } from 'node:module';
import { compileCacheFolder } from './config.ts';

// Before anything large is loaded: what is compiled already takes neither the compiler's time nor its memory.
enableCompileCache(compileCacheFolder());

process.exitCode = await main();
// Timers and sockets that something left behind must not keep a finished agent alive.
process.exit();

async function main(): Promise<number> {
  const { ERRORS, PictorError } = await import('@pictor/protocol');
  const { readConfig, USAGE } = await import('./config.ts');
  try {
    const config = readConfig(process.argv.slice(2));
    switch (config.command) {
      case 'help':
        process.stdout.write(USAGE);
        return 0;
      case 'run': {
        const { run } = await import('./commands/run.ts');
        flushCompileCache();
        return await run(config);
      }
      case 'trace':
        return await (await import('./commands/trace.ts')).trace(config);
      case 'doctor':
        return await (await import('./commands/doctor.ts')).doctor(config);
    }
  } catch (error) {
    const isRefusal = error instanceof PictorError;
    const code = isRefusal ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`${JSON.stringify({ event: 'failed', code, message })}\n`);
    process.stderr.write(`${isRefusal ? message : (error as Error).stack}\n`);
    return isRefusal ? ERRORS[code].exitCode : 1;
  }
}
