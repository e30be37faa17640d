-- An inspection may bake the simulations of its file: then it has a snapshot of its own, with the baked file in the place of the other.
alter table inspections
  add column is_bake boolean not null default false,
  add column baked_snapshot_id text references snapshots,
  drop constraint inspections_snapshot_id_file_key,
  add unique (snapshot_id, file, is_bake),
  add check ((baked_snapshot_id is not null) = (is_bake and status = 'succeeded'));
