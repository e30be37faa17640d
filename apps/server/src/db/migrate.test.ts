import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { migrate, openDatabase } from './index.ts';

describe(migrate.name, () => {
  let database: TestDatabase;
  let directory: string;
  beforeAll(async () => {
    database = await startTestDatabase({ isMigrated: false });
    directory = await mkdtemp(path.join(tmpdir(), 'pictor-migrations-'));
  });
  afterAll(async () => {
    await database.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('applies every file once when two processes start at once', async () => {
    await writeFile(
      path.join(directory, '0001_make_words.sql'),
      'create table words (word text); select pg_sleep(0.2);',
    );
    await writeFile(path.join(directory, '0002_add_word.sql'), "insert into words values ('once');");
    const other = openDatabase(database.connection, () => {});
    const applied = await Promise.all([migrate(database.db, directory), migrate(other, directory)]);
    await other.destroy();
    expect(applied.flat().toSorted()).toEqual([1, 2]);
    const { rows } = await sql`select word from words`.execute(database.db);
    expect(rows).toEqual([{ word: 'once' }]);
  });

  it('does nothing the second time', async () => {
    expect(await migrate(database.db, directory)).toEqual([]);
  });

  it('leaves nothing of a migration that fails', async () => {
    await writeFile(path.join(directory, '0003_fail.sql'), 'create table half (a text); select 1/0;');
    await expect(migrate(database.db, directory)).rejects.toThrow('division by zero');
    const { rows } = await sql<{ half: string | null }>`select to_regclass('half') as half`.execute(database.db);
    expect(rows).toEqual([{ half: null }]);
    await rm(path.join(directory, '0003_fail.sql'));
  });

  it('refuses a database that a newer Pictor made', async () => {
    await sql`insert into migrations (version, name) values (9999, '9999_from_the_future.sql')`.execute(database.db);
    await expect(migrate(database.db, directory)).rejects.toMatchObject({ code: 'setup-missing' });
  });
});
