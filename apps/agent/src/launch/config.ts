import { homedir } from 'node:os';
import { join } from 'node:path';

/** Folder of everything that Pictor keeps for this user. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const dataHome = env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share');
  return env.PICTOR_HOME || join(dataHome, 'pictor');
}

/** Where Node keeps compiled modules; `isActive` where it does so since its start, `environment` makes a new Node do so. */
export function compileCache(env: NodeJS.ProcessEnv = process.env) {
  const folder = env.NODE_COMPILE_CACHE || join(homeFolder(env), 'compile-cache');
  return { folder, isActive: Boolean(env.NODE_COMPILE_CACHE), environment: { ...env, NODE_COMPILE_CACHE: folder } };
}
