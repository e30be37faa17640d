import { sql } from 'kysely';

/**
 * The live lease that a report names, locked: the rows of `with lease as materialized (…)`. None where it is not the worker's any more.
 * It is locked before the attempt, as wherever leases end: two orders would be a deadlock.
 */
export const lockLease = (workerId: string, report: { leaseId: string; token: string }) => sql`
      select lease_id from leases
      where lease_id = ${report.leaseId}
        and token = ${report.token}
        and worker_id = ${workerId}
        and ended_at is null
        and expires_at > now()
      for update`;

/** Takes the attempt that ended (`with attempt as (…)`) off its lease, which ends with its last one. */
export const countOffLease = sql`
      update leases l
      set frames_left = frames_left - 1,
        ended_at = case when frames_left = 1 then now() end,
        end_reason = case when frames_left = 1 then 'finished' end
      from attempt
      where l.lease_id = attempt.lease_id`;
