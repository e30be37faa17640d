import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** The clone that this command line runs from. */
export const repositoryRoot = resolve(import.meta.dirname, '../../..');

const environment = process.env;

/** What the command line takes from its environment. */
export const config = Object.freeze({
  /** Data of servers and embedded networks, caches, probed Blender builds. */
  home: environment.PICTOR_HOME
    ? resolve(environment.PICTOR_HOME)
    : join(
        environment.XDG_DATA_HOME && isAbsolute(environment.XDG_DATA_HOME)
          ? environment.XDG_DATA_HOME
          : join(homedir(), '.local/share'),
        'pictor',
      ),
  userHome: homedir(),
  /** Server to use where no --server is given. */
  server: environment.PICTOR_SERVER || null,
  /** Operator's token of that server. */
  token: environment.PICTOR_TOKEN || null,
});

/** The environment of a program that is started: one's own, with the home agreed on, and `extra`. */
export function childEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...environment, PICTOR_HOME: config.home, ...extra };
}
