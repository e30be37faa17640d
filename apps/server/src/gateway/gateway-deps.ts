import type { ObjectStore } from '../assets/index.ts';
import type { Checks } from '../checks/index.ts';
import type { Db } from '../db/index.ts';
import type { Grants } from '../identity/index.ts';
import type { EventFeed } from '../outbox/index.ts';
import type { Scheduler } from '../scheduler/index.ts';
import type { Presence } from '../workers/index.ts';

/** What the agents' door needs of the rooms below it. */
export interface GatewayDeps {
  db: Db;
  store: ObjectStore;
  grants: Grants;
  presence: Presence;
  feed: Pick<EventFeed, 'broadcast'>;
  scheduler: Scheduler;
  checks: Checks;
  log: (message: string) => void;
}
