create table jobs (
  job_id text primary key,
  owner_id text not null,
  name text not null,
  comment text not null,
  status text not null
    check (status in ('draft', 'pretest', 'awaiting-approval', 'rendering', 'review', 'completed', 'paused', 'canceled', 'failed')),
  status_reason text,
  priority smallint not null default 50 check (priority between 0 and 100),
  snapshot_id text not null references snapshots,
  inspection_id text not null references inspections,
  -- Shape: protocol's RenderSettings.
  settings jsonb not null,
  -- What a worker must be able to do. Shape: JobRequirements of the workers room.
  requirements jsonb not null,
  -- What every frame must leave, as far as the inspection tells. Shape: ExpectedOutputs of the frames room.
  expected_outputs jsonb not null,
  frames text not null,
  frame_count integer not null check (frame_count > 0),
  frames_per_node integer,
  is_sequential boolean not null,
  -- First frame that a sequential lease plays.
  play_from integer,
  -- Shape: protocol's Timeouts.
  timeouts jsonb not null,
  memory_limit_bytes bigint,
  idempotency_key text,
  created_at timestamptz not null default now(),
  -- Failures before the last retry are forgiven.
  retried_at timestamptz,
  ended_at timestamptz,
  unique (owner_id, idempotency_key)
);

create index jobs_created_at on jobs (created_at desc);
-- The scheduler reads these several times a second; ended jobs are many.
create index jobs_rendering on jobs (priority desc, created_at) where status = 'rendering';

create table frames (
  frame_id text primary key,
  job_id text not null references jobs on delete cascade,
  number integer not null,
  status text not null default 'enqueued'
    check (status in ('enqueued', 'processing', 'verifying', 'succeeded', 'accepted', 'failed', 'rerender-requested')),
  -- `proven` or `unproven: reason`.
  proof text,
  failure text,
  message text,
  -- Failed attempts, by whoever's fault; frames without any are leased first.
  failures smallint not null default 0,
  scene_failures smallint not null default 0,
  -- Workers whose attempt failed: another one tries next, where there is another.
  failed_on text[] not null default '{}',
  unique (job_id, number)
);

-- The order in which frames are leased.
create index frames_enqueued on frames (job_id, failures, number) where status = 'enqueued';
-- Frames that are rendered and not yet settled; few at any time.
create index frames_unsettled on frames (job_id) where status in ('verifying', 'succeeded', 'rerender-requested');

create table leases (
  lease_id text primary key,
  token text not null,
  job_id text not null references jobs on delete cascade,
  worker_id text not null references workers,
  device_id text not null,
  blender_sha256 text not null,
  play_from integer,
  -- Frames not yet delivered, failed or taken back; at 0 the lease has ended.
  frames_left integer not null check (frames_left >= 0),
  -- Term of the scheduler that wrote it.
  term bigint not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check (end_reason in ('finished', 'expired', 'released', 'canceled', 'revoked')),
  check ((ended_at is null) = (end_reason is null))
);

-- Live leases: two per device at most. The sweep for expired ones and the scheduler read them all.
create index leases_live on leases (worker_id) where ended_at is null;
create index leases_of_job on leases (job_id) where ended_at is null;

create table attempts (
  attempt_id text primary key,
  frame_id text not null references frames on delete cascade,
  job_id text not null,
  lease_id text not null references leases on delete cascade,
  worker_id text not null,
  status text not null default 'processing'
    check (status in ('processing', 'delivered', 'verified', 'refuted', 'failed', 'expired', 'abandoned', 'superseded')),
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  device_id text not null,
  blender_sha256 text not null,
  render_seconds double precision,
  total_seconds double precision,
  peak_memory_bytes bigint,
  is_warm boolean,
  -- Ed25519 of the worker over the receipt (SPEC.md, R4).
  signature text,
  failure text,
  fault text check (fault in ('scene', 'worker', 'network')),
  message text,
  log text
);

create index attempts_of_frame on attempts (frame_id);
create index attempts_failed on attempts (job_id, worker_id) where status in ('failed', 'refuted');
create index attempts_of_lease on attempts (lease_id);
-- Newest measured frame times of a job, and who failed in it.
create index attempts_ended on attempts (job_id, ended_at desc) where ended_at is not null;

create table outputs (
  output_id text primary key,
  attempt_id text not null references attempts on delete cascade,
  frame_id text not null,
  job_id text not null,
  kind text not null check (kind in ('picture', 'file-output')),
  path text not null,
  size_bytes bigint not null check (size_bytes > 0),
  sha256 text not null,
  chunks text[] not null,
  pixel_sha256 text not null,
  width integer not null,
  height integer not null,
  unique (attempt_id, path)
);

create index outputs_of_job on outputs (job_id);
create index outputs_of_frame on outputs (frame_id);

-- Workers that left a job after failing too much of it.
create table departures (
  job_id text not null references jobs on delete cascade,
  worker_id text not null references workers,
  reason text not null,
  left_at timestamptz not null default now(),
  primary key (job_id, worker_id)
);
