import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { type Db, openDatabase, withTransaction } from './index.ts';

describe(withTransaction.name, () => {
  let database: TestDatabase;
  let line: Awaited<ReturnType<typeof startLine>>;
  let db: Db;
  beforeAll(async () => {
    database = await startTestDatabase({ isMigrated: false });
    await sql`create table words (word text primary key)`.execute(database.db);
    line = await startLine(path.join(database.connection.host ?? '', '.s.PGSQL.5432'));
    db = openDatabase({ ...database.connection, host: line.directory }, () => {});
  });
  afterAll(async () => {
    await db.destroy();
    await line.close();
    await database.stop();
  });

  it('runs the work again where the connection is lost before the commit', async () => {
    line.breakAt('insert into words');
    let runs = 0;
    await withTransaction(db, async (tx) => {
      runs += 1;
      await sql`insert into words values ('before')`.execute(tx);
    });
    expect(runs).toBe(2);
    expect(await words()).toEqual(['before']);
  });

  it('does not run the work again where the commit may have happened', async () => {
    line.breakAt('commit');
    let runs = 0;
    const work = withTransaction(db, async (tx) => {
      runs += 1;
      await sql`insert into words values ('unknown')`.execute(tx);
    });
    await expect(work).rejects.toMatchObject({ code: 'database-unavailable' });
    expect(runs).toBe(1);
  });

  it('runs repeatable work again even then', async () => {
    line.breakAt('commit');
    let runs = 0;
    await withTransaction(
      db,
      async (tx) => {
        runs += 1;
        await sql`insert into words values ('repeated') on conflict do nothing`.execute(tx);
      },
      { repeatable: true },
    );
    expect(runs).toBe(2);
    expect(await words()).toContain('repeated');
  });

  it('runs the work again where a deadlock was broken', async () => {
    await sql`insert into words values ('a'), ('b') on conflict do nothing`.execute(db);
    let waiting = 0;
    const both = Promise.withResolvers<void>();
    const lock = (first: string, second: string) =>
      withTransaction(db, async (tx) => {
        await sql`select from words where word = ${first} for update`.execute(tx);
        waiting += 1;
        if (waiting >= 2) both.resolve();
        await both.promise;
        await sql`select from words where word = ${second} for update`.execute(tx);
      });
    await Promise.all([lock('a', 'b'), lock('b', 'a')]);
    expect(waiting).toBe(3);
  });

  it('leaves nothing of work that throws, and does not repeat it', async () => {
    let runs = 0;
    const work = withTransaction(db, async (tx) => {
      runs += 1;
      await sql`insert into words values ('thrown')`.execute(tx);
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(runs).toBe(1);
    expect(await words()).not.toContain('thrown');
  });

  const words = async () =>
    (await sql<{ word: string }>`select word from words order by word`.execute(database.db)).rows.map(
      (row) => row.word,
    );
});

/** A line to the database's socket that breaks once, when a text is about to pass it. */
async function startLine(target: string) {
  const directory = await mkdtemp(path.join(tmpdir(), 'pictor-line-'));
  let breakAt: string | null = null;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target);
    open.add(near);
    const end = () => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (bytes) => {
      if (breakAt !== null && bytes.includes(breakAt)) {
        breakAt = null;
        end();
      } else {
        far.write(bytes);
      }
    });
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(path.join(directory, '.s.PGSQL.5432'), resolve));
  return {
    directory,
    breakAt: (text: string) => {
      breakAt = text;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
