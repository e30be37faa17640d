import { enableCompileCache, flushCompileCache } from 'node:module';
import { compileCache } from './launch/config.ts';

/*
 * An agent waits for work most of its time, and what it takes of the machine is missing for renders. A Node that stripped and
 * compiled TypeScript itself keeps 60 MB for that: so the program is loaded once to have it compiled on disk, and the process
 * becomes a new Node (with the same id, streams and parent) that finds all of it there.
 */
const LEAN = '--max-semi-space-size=1';
const args = process.argv.slice(2);
const { folder, isActive, environment } = compileCache();

if (args[0] === 'run' && !process.execArgv.includes(LEAN)) {
  if (!isActive) {
    becomeNode([]);
  }
  await import('./command-line.ts');
  await import('./commands/run.ts');
  flushCompileCache();
  becomeNode([LEAN]);
}
enableCompileCache(folder);
const { runCommandLine } = await import('./command-line.ts');
await runCommandLine(args);

/** Does not return where the system can replace a process. */
function becomeNode(flags: string[]): void {
  const quiet = '--disable-warning=ExperimentalWarning';
  process.execve?.(process.execPath, [process.execPath, ...flags, quiet, import.meta.filename, ...args], environment);
}
