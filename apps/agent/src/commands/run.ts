import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ERRORS, PictorError, REFUSALS } from '@pictor/protocol';
import { emitOnStdout } from '../agent-events.ts';
import type { RunConfig } from '../config.ts';
import { loadIdentity } from '../identity/load-identity.ts';
import { lockDataFolder } from '../identity/lock-data-folder.ts';
import { readWorkerConfig } from '../identity/read-worker-config.ts';
import { errorText } from '../log.ts';
import { startAgent } from '../start-agent.ts';

/** Runs the agent until it is told to end or the server refuses it. Returns the exit code of the process. */
export async function run(config: RunConfig): Promise<number> {
  const workerConfig = await readWorkerConfig(config.configFile);
  const dataDir = config.dataDir ?? join(config.home, 'agents', workerConfig.workerId);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDataFolder(dataDir);
  try {
    return await runLocked(config, workerConfig, dataDir);
  } finally {
    await unlock();
  }
}

async function runLocked(
  config: RunConfig,
  workerConfig: Awaited<ReturnType<typeof readWorkerConfig>>,
  dataDir: string,
): Promise<number> {
  const identity = await loadIdentity(dataDir, workerConfig.workerId);
  let tellEnd: (end: { how: 'drain' | 'at-once'; reason: string; exitCode: number }) => void = () => undefined;
  let ended = nextEnd();

  function nextEnd() {
    return new Promise<Parameters<typeof tellEnd>[0]>((resolve) => {
      tellEnd = resolve;
    });
  }

  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    tellEnd({ how: signals === 1 ? 'drain' : 'at-once', reason: 'The agent was stopped.', exitCode: 0 });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', () => tellEnd({ how: 'at-once', reason: 'The terminal was closed.', exitCode: 0 }));
  if (config.exitWithParent) {
    const onEnd = (): void =>
      tellEnd({ how: 'at-once', reason: 'The program that started the agent ended.', exitCode: 0 });
    process.stdin.on('end', onEnd);
    process.stdin.on('error', onEnd);
    process.stdin.resume();
  }

  const agent = await startAgent({
    config,
    workerConfig,
    dataDir,
    identity,
    emit: emitOnStdout,
    onRefused({ reason, message }) {
      const sentence = message || REFUSALS[reason].sentence;
      process.stderr.write(`${sentence}\n`);
      emitOnStdout({ event: 'refused', reason, message: sentence });
      tellEnd({ how: 'at-once', reason: sentence, exitCode: 2 });
    },
    onFailed(error) {
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      const code = error instanceof PictorError ? error.code : 'internal';
      emitOnStdout({ event: 'failed', code, message: errorText(error) });
      tellEnd({ how: 'at-once', reason: errorText(error), exitCode: ERRORS[code].exitCode });
    },
  });

  let end = await ended;
  if (end.how === 'drain') {
    ended = nextEnd();
    const drained = agent.drain().then(() => null);
    end = (await Promise.race([drained, ended])) ?? end;
  }
  await agent.stop(end.reason);
  if (end.exitCode === 0) {
    emitOnStdout({ event: 'drained' });
  }
  return end.exitCode;
}
