import { PictorError } from '@pictor/protocol';
import { pino } from 'pino';
import { readConfig } from './config.ts';
import { type RunningServer, startServer } from './start-server.ts';

/** One line of JSON: what the program that started us reads. Logs go to stderr. */
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Starts the server and serves until SIGTERM, SIGINT, or the end of stdin where that was asked for. */
async function main(): Promise<void> {
  const config = readConfig();
  const logger = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const stopping = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      // Whoever asks twice does not want to wait; PostgreSQL's guard stops it.
      process.once(signal, () => process.exit(1));
      stopping.resolve();
    });
  }
  if (config.exitWithParent) {
    process.stdin.resume();
    process.stdin.once('close', stopping.resolve);
    process.stdin.once('end', stopping.resolve);
    process.stdin.once('error', stopping.resolve);
  }
  const server: RunningServer = await startServer(config, logger);
  logger.info({ url: server.url, dataDir: config.dataDir }, 'server.started');
  tell({ event: 'ready', url: server.url, dataDir: config.dataDir });
  await stopping.promise;
  logger.info('server.stopping');
  await server.stop();
  logger.info('server.stopped');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const code = error instanceof PictorError ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'internal') console.error(error);
  tell({ event: 'failed', code, message });
  process.exit(1);
}
