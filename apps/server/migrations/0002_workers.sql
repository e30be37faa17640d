-- Registered machines. The code enrols one key, once; only its hash is kept.
create table workers (
  worker_id text primary key,
  owner_id text not null,
  name text not null,
  status text not null default 'offline'
    check (status in ('offline', 'idle', 'rendering', 'rented', 'draining', 'paused', 'suspended')),
  status_reason text,
  enrolment_code_hash text not null,
  -- Ed25519, raw 32 bytes in base64url.
  public_key text unique,
  -- The machine that enrolled the key: named to whoever uses the code again.
  hostname text,
  enrolled_at timestamptz,
  revoked_at timestamptz,
  -- Whether its owner wants it to take work; survives the connection, which the status does not.
  is_drained boolean not null default false,
  -- Shape: protocol's Capabilities.
  capabilities jsonb,
  -- Highest report recorded from it. Written in the transaction that records the report.
  last_sequence bigint not null default 0,
  last_seen_at timestamptz,
  created_at timestamptz not null default now(),
  check ((public_key is null) = (enrolled_at is null))
);
