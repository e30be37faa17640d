import { sql } from 'kysely';
import { type Db, type Tx, withTransaction } from '../db/index.ts';

const ROLE = 'scheduler';
/** A holder that does not renew for so long has lost the role. */
const HOLD_SECONDS = 3;

/** A claim to be the one active scheduler. */
export interface Term {
  holder: string;
  term: number;
}

/**
 * Takes the role where it is free or its holder's time is over by PostgreSQL's clock, or keeps it. Taking over raises the term. Null
 * where another holds it.
 */
export async function holdLeadership(db: Db, holder: string): Promise<Term | null> {
  return withTransaction(db, async (tx) => {
    // Nothing is lost with the last second of a role, and an idle server should leave the disk alone.
    await sql`set local synchronous_commit = off`.execute(tx);
    return take(tx, holder);
  });
}

async function take(tx: Tx, holder: string): Promise<Term | null> {
  const { rows } = await sql<{ term: number }>`
    insert into leaders as l (role, term, holder, until)
    values (${ROLE}, 1, ${holder}, now() + make_interval(secs => ${HOLD_SECONDS}))
    on conflict (role) do update
    set term = case when l.holder = excluded.holder then l.term else l.term + 1 end,
      holder = excluded.holder,
      until = excluded.until
    where l.holder = excluded.holder or l.until < now()
    returning term`.execute(tx);
  return rows[0] ? { holder, term: rows[0].term } : null;
}

/** Whether the term still runs, checked within the transaction that leases: a holder that was stopped and goes on writes nothing. */
export async function isLeading(tx: Tx, { holder, term }: Term): Promise<boolean> {
  const { rows } = await sql`
    select from leaders
    where role = ${ROLE} and holder = ${holder} and term = ${term} and until > now()
    for share`.execute(tx);
  return rows.length === 1;
}

/** Gives the role up, so that the next one need not wait. */
export async function resignLeadership(db: Db, { holder, term }: Term): Promise<void> {
  await sql`
    update leaders set until = '-infinity'
    where role = ${ROLE} and holder = ${holder} and term = ${term}`.execute(db);
}
