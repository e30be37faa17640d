import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError } from '@pictor/protocol';
import { Kysely, PostgresDialect, type PostgresPoolClient, sql, type Transaction } from 'kysely';
import pg from 'pg';
import type { Database } from './tables.ts';

/** The database outside of a transaction. */
export type Db = Kysely<Database>;
/** The database within one; functions that need one take it as their first parameter. */
export type Tx = Transaction<Database>;

const CONNECTIONS = 10;
/** A process that hangs in a transaction holds back everybody's events and cleaning up. */
const IDLE_IN_TRANSACTION_MS = 60_000;
/** How long a query waits for a database that is away: PostgreSQL needs about a second to recover from kill -9. */
const RECONNECT_SECONDS = 30;

/**
 * Opens a pool on `connection` (`{ connectionString }` or host, port …). Where the database is away, queries wait for it up to 30 s; one
 * that was under way throws `database-unavailable`, whether it was carried out or not. Close it with `db.destroy()`.
 */
export function openDatabase(connection: pg.ClientConfig, log: (message: string) => void): Db {
  const pool = new pg.Pool({
    ...connection,
    max: CONNECTIONS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types: { getTypeParser } as pg.CustomTypesConfig,
  });
  pool.on('error', (error) => {
    // The pool says it has ended before its connections have: an embedded server that stops next is quicker than they are.
    if (!pool.ending) log(`a database connection was lost: ${error.message}`);
  });
  return new Kysely<Database>({
    dialect: new PostgresDialect({
      pool: { options: pool.options, connect: () => connect(pool), end: () => pool.end() },
    }),
  });
}

/** A value for a jsonb column. */
export const jsonb = (value: unknown) => sql<unknown>`${JSON.stringify(value)}::jsonb`;

const INT8 = 20;

function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8 && format !== 'binary') return parseInt8;
  return pg.types.getTypeParser(oid, format as 'text');
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a number`);
  return value;
}

async function connect(pool: pg.Pool): Promise<PostgresPoolClient> {
  const deadline = Date.now() + RECONNECT_SECONDS * 1000;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 500)) {
    try {
      return reportLoss(await pool.connect());
    } catch (error) {
      if (!isAway(error)) throw error;
      if (Date.now() > deadline) throw unavailable(error);
      await sleep(waitMs);
    }
  }
}

/** Whether connecting failed because the server is away, not because it refuses us. */
function isAway(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  // The driver gives no code to a connection that breaks during the handshake.
  if (code === undefined) return error instanceof Error;
  return /^(ECONN|ENOENT|EPIPE|ETIMEDOUT|EAGAIN|57P0|08|53300)/.test(code);
}

const unavailable = (cause: unknown) =>
  new PictorError('database-unavailable', 'The database does not answer. Try again; see the log of the server.', {
    cause,
  });

const watched = new WeakSet<pg.PoolClient>();

/** Makes the queries of a client throw `database-unavailable` where the connection broke under them. */
function reportLoss(client: pg.PoolClient): PostgresPoolClient {
  if (watched.has(client)) return client as unknown as PostgresPoolClient;
  watched.add(client);
  let isLost = false;
  const lose = () => {
    isLost = true;
  };
  client.on('error', lose);
  client.on('end', lose);
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  client.query = ((...args: unknown[]) => {
    const result = query(...args);
    if (!(result instanceof Promise)) return result;
    return result.catch(async (error) => {
      // Failed queries hear of it a tick before the client does.
      await new Promise(setImmediate);
      throw isLost || /^57P0/.test(error.code ?? '') ? unavailable(error) : error;
    });
  }) as typeof client.query;
  return client as unknown as PostgresPoolClient;
}
