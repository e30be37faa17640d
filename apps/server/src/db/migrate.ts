import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { PictorError } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** The SQL files that make the schema, in order. */
export const MIGRATIONS_DIR = path.join(import.meta.dirname, '..', '..', 'migrations');

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
const UNIQUE_VIOLATION = '23505';

/**
 * Brings the schema up to the newest file. Each file runs in a transaction that first inserts its number, so that of two processes
 * which start at once the second waits and then finds the work done. Forward only. Returns the versions that were applied here.
 * Throws `setup-missing` where the database is newer than this program.
 */
export async function migrate(db: Db, directory = MIGRATIONS_DIR): Promise<number[]> {
  const files = await listMigrations(directory);
  await createMigrationsTable(db);
  const done = await sql<{ version: number }>`select version from migrations`.execute(db);
  const newest = Math.max(0, ...done.rows.map((row) => row.version));
  const newestFile = files.at(-1)?.version ?? 0;
  if (newest > newestFile) {
    throw new PictorError(
      'setup-missing',
      `The database has schema version ${newest}, this Pictor knows ${newestFile}: update Pictor, or use the data folder of this version.`,
    );
  }
  const applied: number[] = [];
  const versions = new Set(done.rows.map((row) => row.version));
  for (const { version, name } of files.filter((file) => !versions.has(file.version))) {
    const text = await readFile(path.join(directory, name), 'utf8');
    await db.transaction().execute(async (tx) => {
      const inserted = await sql`
        insert into migrations (version, name)
        values (${version}, ${name})
        on conflict do nothing
        returning version`.execute(tx);
      if (inserted.rows.length === 0) return;
      await sql.raw(text).execute(tx);
      applied.push(version);
    });
  }
  return applied;
}

async function listMigrations(directory: string): Promise<{ version: number; name: string }[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const files = names.map((name) => {
    const match = FILE_NAME.exec(name);
    if (!match) throw new Error(`migration ${name} is not named NNNN_what_it_does.sql`);
    return { version: Number(match[1]), name };
  });
  const versions = new Set(files.map((file) => file.version));
  if (versions.size !== files.length) throw new Error(`two migrations in ${directory} have the same number`);
  return files;
}

async function createMigrationsTable(db: Db): Promise<void> {
  const create = sql`
    create table if not exists migrations (
      version integer primary key,
      name text not null,
      applied_at timestamptz not null default now()
    )`;
  // Two processes that create one table at once: "if not exists" does not look at what is not committed yet.
  await create.execute(db).catch(async (error: { code?: string }) => {
    if (error.code !== UNIQUE_VIOLATION) throw error;
    await create.execute(db);
  });
}
