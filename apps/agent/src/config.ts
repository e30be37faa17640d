import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PictorError } from '@pictor/protocol';
import { homeFolder } from './launch/config.ts';

/** What every command of the agent knows about its surroundings. */
export interface Surroundings {
  /** Folder of everything that Pictor keeps for this user. */
  home: string;
  /** Blender builds that were probed once, shared by all agents of this user. */
  buildsFile: string;
}

export interface RunConfig extends Surroundings {
  command: 'run';
  configFile: string;
  /** Null: a folder of the worker's own below `home`. */
  dataDir: string | null;
  blenderPaths: string[];
  /** Bound of the content cache in bytes. */
  cacheBytes: number;
  exitWithParent: boolean;
}

export interface TraceConfig extends Surroundings {
  command: 'trace';
  file: string;
  blenderPaths: string[];
}

export interface DoctorConfig extends Surroundings {
  command: 'doctor';
  blenderPaths: string[];
}

export type AgentConfig = RunConfig | TraceConfig | DoctorConfig | { command: 'help' };

export const USAGE = `Usage:
  agent run --config worker-config.json [--data DIR] [--blender PATH]… [--cache-bytes N] [--exit-with-parent]
      Connect to the server and render what it leases. SIGTERM finishes the frames in work first, a second one does not.
  agent trace FILE.blend [--blender PATH]… --json
      List the files that a .blend uses, looked at in the sandbox.
  agent doctor [--blender PATH]… --json
      Show what the sandbox and the Blender builds of this machine can do.
`;

const DEFAULT_CACHE_BYTES = 50 * 1024 ** 3;

/**
 * Reads the command line and the environment: the only place that does. Throws PictorError `usage` where they make no sense.
 */
export function readConfig(args: string[], env: NodeJS.ProcessEnv = process.env): AgentConfig {
  const { values, positionals } = parseCommandLine(args);
  const command = positionals[0];
  if (values.help || command === undefined || command === 'help') {
    return { command: 'help' };
  }
  const home = homeFolder(env);
  const surroundings = { home, buildsFile: join(home, 'blender-builds.json') };
  const blenderPaths = (values.blender ?? []).map((path) => resolve(path));
  if (command === 'run') {
    if (!values.config) {
      throw new PictorError('usage', 'Which worker is this? Give --config worker-config.json.');
    }
    return {
      command,
      ...surroundings,
      configFile: resolve(values.config),
      dataDir: values.data ? resolve(values.data) : null,
      blenderPaths,
      cacheBytes: readCacheBytes(values['cache-bytes']),
      exitWithParent: values['exit-with-parent'] ?? false,
    };
  }
  if (command === 'trace') {
    const file = positionals[1];
    if (file === undefined) {
      throw new PictorError('usage', 'Which file? Give the path of a .blend: agent trace FILE.blend --json.');
    }
    return { command, ...surroundings, file: resolve(file), blenderPaths };
  }
  if (command === 'doctor') {
    return { command, ...surroundings, blenderPaths };
  }
  throw new PictorError('usage', `There is no command "${command}": use run, trace or doctor.`);
}

function parseCommandLine(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        data: { type: 'string' },
        blender: { type: 'string', multiple: true },
        'cache-bytes': { type: 'string' },
        'exit-with-parent': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new PictorError('usage', `${(error as Error).message}. See agent --help.`, { cause: error });
  }
}

function readCacheBytes(text: string | undefined): number {
  if (text === undefined) {
    return DEFAULT_CACHE_BYTES;
  }
  const bytes = Number(text);
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new PictorError('usage', `--cache-bytes takes a whole number of bytes above 0, not "${text}".`);
  }
  return bytes;
}
