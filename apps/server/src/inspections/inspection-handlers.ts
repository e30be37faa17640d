import type { RouteHandlers } from '@pictor/protocol';
import type { Db } from '../db/index.ts';
import { createInspection } from './create-inspection.ts';
import { getInspection } from './get-inspection.ts';

/** The routes of this room, for `http`. `onEnqueued` wakes whoever gives inspections to agents. */
export function inspectionHandlers(deps: {
  db: Db;
  ownerId: string;
  onEnqueued: () => void;
}): RouteHandlers<'createInspection' | 'getInspection'> {
  return {
    async createInspection({ body }) {
      const inspection = await createInspection(deps.db, body, deps.ownerId);
      if (inspection.status === 'enqueued') deps.onEnqueued();
      return inspection;
    },
    getInspection: ({ params }) => getInspection(deps.db, params.inspectionId),
  };
}
