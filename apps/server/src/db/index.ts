export { type Db, jsonb, openDatabase, type Tx } from './database.ts';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
export { listen } from './listen.ts';
export { MIGRATIONS_DIR, migrate } from './migrate.ts';
export type { Database } from './tables.ts';
export { withTransaction } from './with-transaction.ts';
