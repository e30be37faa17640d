-- One process at a time holds a role, by PostgreSQL's clock. Taking over raises the term; every batch of leases checks it, so a holder
-- that was stopped and goes on writes nothing.
create table leaders (
  role text primary key,
  term bigint not null,
  holder text not null,
  until timestamptz not null
);
