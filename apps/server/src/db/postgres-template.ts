import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type PostgresBinaries, runPostgresProgram } from './postgres-binaries.ts';

/** Role and database of an embedded cluster. */
export const EMBEDDED_USER = 'pictor';
/** File in a cluster with its password. The socket's folder is closed to others; the password is the second wall. */
export const PASSWORD_FILE = 'pictor-password';

/**
 * Makes a cluster at `clusterDir` by copying one that initdb made earlier (`<templateHome>/postgres-template-<version>`, made where
 * it is missing), because initdb takes seconds on a slow disk and a copy does not. The cluster appears by one rename, whole.
 */
export async function createCluster(
  binaries: PostgresBinaries,
  clusterDir: string,
  templateHome: string,
  durable: boolean,
): Promise<void> {
  const template = path.join(templateHome, `postgres-template-${binaries.version}`);
  if (!existsSync(template)) await createTemplate(binaries, template);
  await mkdir(path.dirname(clusterDir), { recursive: true, mode: 0o700 });
  const unfinished = await mkdtemp(`${clusterDir}.new-`);
  try {
    await cp(template, unfinished, { recursive: true, mode: constants.COPYFILE_FICLONE });
    await chmod(unfinished, 0o700);
    if (durable) await runPostgresProgram(binaries.initdb, ['--sync-only', '-D', unfinished]);
    await rename(unfinished, clusterDir);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function createTemplate(binaries: PostgresBinaries, template: string): Promise<void> {
  await mkdir(path.dirname(template), { recursive: true, mode: 0o700 });
  const unfinished = await mkdtemp(`${template}.new-`);
  try {
    const cluster = path.join(unfinished, 'cluster');
    const passwordFile = path.join(unfinished, PASSWORD_FILE);
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    await runPostgresProgram(binaries.initdb, [
      ...['-D', cluster, `--username=${EMBEDDED_USER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ]);
    await rename(passwordFile, path.join(cluster, PASSWORD_FILE));
    // Two processes may come here at once: the second rename finds a folder that is not empty, and its template is as good.
    await rename(cluster, template).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
