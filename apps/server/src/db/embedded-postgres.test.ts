import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestDatabase, TEMPLATE_HOME, type TestDatabase } from '../testing/test-database.ts';
import { openDatabase, startEmbeddedPostgres, withTransaction } from './index.ts';

const quiet = () => {};

describe(startEmbeddedPostgres.name, () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await startTestDatabase();
  });
  afterAll(() => database.stop());

  it('loses nothing that was committed when PostgreSQL is killed in mid-write, and costs only retries', async () => {
    const { db } = database;
    await sql`create table numbers (number integer primary key)`.execute(db);
    const before = database.postgres.pid();
    const committed: number[] = [];
    let stop = false;
    const write = async (first: number) => {
      for (let number = first; !stop; number += 2) {
        await withTransaction(
          db,
          async (tx) => {
            await sql`insert into numbers values (${number}) on conflict do nothing`.execute(tx);
          },
          { repeatable: true },
        );
        committed.push(number);
      }
    };
    const writers = [write(1), write(2)];
    await until(() => committed.length > 50);
    process.kill(before, 'SIGKILL');
    await until(() => database.postgres.pid() !== before);
    const after = committed.length;
    await until(() => committed.length > after + 50);
    stop = true;
    await Promise.all(writers);
    const { rows } = await sql<{ number: number }>`select number from numbers order by number`.execute(db);
    expect(rows.map((row) => row.number)).toEqual(committed.toSorted((a, b) => a - b));
  });

  it('throws database-unavailable for a statement whose connection broke under it', async () => {
    const running = sql`select pg_sleep(60)`.execute(database.db);
    const outcome = expect(running).rejects.toMatchObject({ code: 'database-unavailable' });
    await until(async () => {
      const { rows } =
        await sql`select 1 from pg_stat_activity where query like 'select pg_sleep%' and pid <> pg_backend_pid()
        and state = 'active'`.execute(database.db);
      return rows.length > 0;
    });
    process.kill(database.postgres.pid(), 'SIGKILL');
    await outcome;
    // Connections that idled may not have heard of it yet; their next statement breaks, too.
    await until(async () => {
      const one = await sql<{ one: number }>`select 1 as one`.execute(database.db).catch(() => null);
      return one?.rows[0]?.one === 1;
    });
  });

  it('takes over from the server that a killed process left, with what it had committed', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
    const clusterDir = path.join(directory, 'postgres');
    try {
      const first = await startProcess(clusterDir);
      first.process.kill('SIGKILL');
      const second = await startEmbeddedPostgres({
        clusterDir,
        templateHome: TEMPLATE_HOME,
        durable: true,
        log: quiet,
      });
      const db = openDatabase(second.connection, quiet);
      const { rows } = await sql<{ word: string }>`select word from words`.execute(db);
      expect(rows).toEqual([{ word: 'kept' }]);
      expect(isRunning(first.postgresPid)).toBe(false);
      await db.destroy();
      await second.stop();
      expect(isRunning(second.pid())).toBe(false);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('stops where the process that started it was killed', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
    try {
      const { process: owner, postgresPid } = await startProcess(path.join(directory, 'postgres'));
      owner.kill('SIGKILL');
      await until(() => !isRunning(postgresPid));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('starts although postmaster.pid names a process that is something else by now', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
    const clusterDir = path.join(directory, 'postgres');
    const options = { clusterDir, templateHome: TEMPLATE_HOME, durable: false, log: quiet };
    const bystander = spawn('sleep', ['60']);
    try {
      await (await startEmbeddedPostgres(options)).stop();
      await writeFile(path.join(clusterDir, 'postmaster.pid'), `${bystander.pid}\n${clusterDir}\n0\n5432\n\n\n`);
      const second = await startEmbeddedPostgres(options);
      await second.stop();
      expect(isRunning(bystander.pid ?? 0)).toBe(true);
    } finally {
      bystander.kill();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('puts the socket elsewhere where the path of the cluster is too long for one', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
    const clusterDir = path.join(directory, 'a-long-name'.repeat(8), 'postgres');
    try {
      const server = await startEmbeddedPostgres({
        clusterDir,
        templateHome: TEMPLATE_HOME,
        durable: false,
        log: quiet,
      });
      expect(server.connection.host?.startsWith(clusterDir)).toBe(false);
      await server.stop();
      expect(existsSync(server.connection.host ?? '')).toBe(false);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** Another process that starts PostgreSQL, writes a word and waits to be killed. */
async function startProcess(clusterDir: string) {
  const script = `
    const { openDatabase, startEmbeddedPostgres } = await import(${JSON.stringify(path.join(import.meta.dirname, 'index.ts'))});
    const { sql } = await import('kysely');
    const postgres = await startEmbeddedPostgres({
      clusterDir: ${JSON.stringify(clusterDir)}, templateHome: ${JSON.stringify(TEMPLATE_HOME)}, durable: true, log: console.error,
    });
    const db = openDatabase(postgres.connection, console.error);
    await sql\`create table words (word text)\`.execute(db);
    await sql\`insert into words values ('kept')\`.execute(db);
    console.log(postgres.pid());
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const postgresPid = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(Number(text)));
    child.once('exit', () => reject(new Error('the process that starts PostgreSQL ended')));
  });
  return { process: child, postgresPid };
}

function isRunning(pid: number): boolean {
  try {
    // A zombie nobody waited for runs no more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited 30 s in vain');
    await sleep(20);
  }
}
