-- Content: snapshots are immutable, their id follows from their content.
create table snapshots (
  snapshot_id text primary key,
  owner_id text not null,
  manifest jsonb not null,
  total_bytes bigint not null check (total_bytes >= 0),
  created_at timestamptz not null default now()
);

-- Which chunks a snapshot opens to whoever holds a grant for it.
create table snapshot_chunks (
  snapshot_id text not null references snapshots,
  sha256 bytea not null check (length(sha256) = 32),
  primary key (snapshot_id, sha256)
);

-- What Blender says is in a .blend. One per snapshot and file; a failed one may be asked for again and is the same row.
create table inspections (
  inspection_id text primary key,
  snapshot_id text not null references snapshots,
  file text not null,
  owner_id text not null,
  status text not null default 'enqueued' check (status in ('enqueued', 'processing', 'succeeded', 'failed')),
  worker_id text,
  attempts integer not null default 0,
  report jsonb,
  failure text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  unique (snapshot_id, file),
  check ((status = 'succeeded') = (report is not null)),
  check (status <> 'processing' or worker_id is not null)
);

-- Only open ones are looked for by status, and there are few.
create index inspections_open on inspections (created_at) where status in ('enqueued', 'processing');

-- Events, written in the transaction that they tell of. A plain sequence loses events of transactions that commit late, so the cursor
-- is (tx, id) and readers take only what is older than every transaction still open.
create table outbox (
  tx xid8 not null default pg_current_xact_id(),
  id bigserial not null,
  topic text not null,
  job_id text,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tx, id)
);

create index outbox_created_at on outbox (created_at);

-- Up to where old events were removed: a cursor before it cannot be resumed.
create table outbox_horizon (
  is_single boolean primary key default true check (is_single),
  swept_tx xid8 not null,
  swept_id bigint not null
);
insert into outbox_horizon (swept_tx, swept_id) values ('0', 0);
