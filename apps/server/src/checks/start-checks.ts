import type { ObjectStore } from '../assets/index.ts';
import { type Db, withTransaction } from '../db/index.ts';
import { acceptFrames, type DeliveredFrame, listDelivered, refuteFrame, succeedFrames } from '../frames/index.ts';
import { type Presence, tellStopped } from '../workers/index.ts';
import { checkEnvelope } from './check-envelope.ts';

/** Looks at delivered frames and settles them. */
export interface Checks {
  /** There may be frames to look at. */
  wake(): void;
  /** Ends when what is under way is done. */
  close(): Promise<void>;
}

const BATCH = 200;
/** Frames are also looked for without a call, for those that another process recorded. */
const LOOK_AGAIN_MS = 2000;
/** What stands in a frame's proof while nothing but its envelope was looked at. */
export const UNPROVEN = 'unproven: no checker looked at it';

/** Starts checking. `onSettled` is called when frames were settled. On a private network what succeeded is accepted at once. */
export function startChecks(deps: {
  db: Db;
  store: ObjectStore;
  presence: Presence;
  onSettled: () => void;
  log: (message: string) => void;
}): Checks {
  let isClosed = false;
  let isDue = true;
  let running: Promise<void> | null = null;

  const run = async () => {
    while (isDue && !isClosed) {
      isDue = false;
      const settled = await checkBatch(deps);
      if (settled > 0) deps.onSettled();
      if (settled === BATCH) isDue = true;
    }
  };
  const wake = () => {
    isDue = true;
    if (running || isClosed) return;
    running = run()
      .catch((error) => deps.log(`delivered frames could not be checked: ${error.message}`))
      .finally(() => {
        running = null;
        if (isDue && !isClosed) setImmediate(wake);
      });
  };
  const timer = setInterval(wake, LOOK_AGAIN_MS);
  wake();
  return {
    wake,
    async close() {
      isClosed = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** Checks some of the frames that wait. Returns how many were settled. */
async function checkBatch(deps: Parameters<typeof startChecks>[0]): Promise<number> {
  const frames = await listDelivered(deps.db, BATCH);
  if (frames.length === 0) return 0;
  const verdicts = await Promise.all(
    frames.map(async (frame) => ({ frame, problem: await checkEnvelope(deps.store, frame) })),
  );
  const right = verdicts.filter(({ problem }) => problem === null).map(({ frame }) => frame);
  await settle(deps.db, right);
  for (const { frame, problem } of verdicts) {
    if (problem === null) continue;
    const { frameId, attemptId } = frame;
    const refuted = await withTransaction(deps.db, (tx) => refuteFrame(tx, { frameId, attemptId, message: problem }), {
      repeatable: true,
    });
    tellStopped(deps.presence, refuted?.stopped ?? [], 'the worker has left this job');
  }
  return frames.length;
}

async function settle(db: Db, frames: readonly DeliveredFrame[]): Promise<void> {
  if (frames.length === 0) return;
  const verdicts = frames.map(({ frameId, attemptId }) => ({ frameId, attemptId, proof: UNPROVEN }));
  await withTransaction(
    db,
    async (tx) => {
      await acceptFrames(tx, await succeedFrames(tx, verdicts));
    },
    { repeatable: true },
  );
}
