import { FAILURES, PictorError, type Report, type ReportOutcome, receiptText } from '@pictor/protocol';
import { checkContent, type ObjectStore } from '../assets/index.ts';
import { type Db, type Tx, withTransaction } from '../db/index.ts';
import {
  alertFrame,
  type Delivery,
  deliverFrame,
  failAttempt,
  releaseLease,
  type StoppedLease,
} from '../frames/index.ts';
import { checkBake, recordInspection } from '../inspections/index.ts';
import { type ConnectedWorker, recordSequence } from '../workers/index.ts';
import { isSignedBy } from './ed25519.ts';

/** What became of a report, and which attempts must stop because of it. */
export interface Recorded {
  outcome: ReportOutcome;
  message: string;
  stopped: StoppedLease[];
}

/**
 * Records a report and its number in one transaction (SPEC.md R2). One that is refused takes its number too: it would be sent for ever
 * else. A refused delivery gives the frame back at once.
 */
export async function recordReport(
  deps: { db: Db; store: ObjectStore },
  worker: ConnectedWorker,
  sequence: number,
  report: Report,
): Promise<Recorded> {
  const work =
    'inspectionId' in report ? await inspectionWork(deps, worker, report) : await leaseWork(deps, worker, report);
  return withTransaction(
    deps.db,
    async (tx) => {
      const isNew = await recordSequence(tx, worker.workerId, sequence);
      return isNew ? work(tx) : { outcome: 'duplicate', message: '', stopped: [] };
    },
    { repeatable: true },
  );
}

type InspectionEnd = Extract<Report, { inspectionId: unknown }>;
type LeaseReport = Exclude<Report, InspectionEnd>;
/** What a report does within its transaction. What has to be read from the store was read before. */
type Work = (tx: Tx) => Promise<Recorded>;

async function leaseWork(deps: { store: ObjectStore }, worker: ConnectedWorker, report: LeaseReport): Promise<Work> {
  if (report.kind !== 'frame-delivered') return (tx) => apply(tx, worker, report);
  const problem = await checkDelivery(deps.store, worker, report);
  return (tx) => (problem === null ? apply(tx, worker, report) : refuseDelivery(tx, worker, report, problem));
}

async function inspectionWork(
  deps: { db: Db; store: ObjectStore },
  worker: ConnectedWorker,
  report: InspectionEnd,
): Promise<Work> {
  const outcome =
    report.kind === 'inspection-succeeded'
      ? await checkBake(deps, report)
      : { failure: [FAILURES[report.failure].sentence, report.message].filter(Boolean).join(' ') };
  return async (tx) => inspected(await recordInspection(tx, report.inspectionId, worker.workerId, outcome));
}

/** What is wrong with a delivery, null where nothing (SPEC.md R3, R4). */
async function checkDelivery(store: ObjectStore, worker: ConnectedWorker, report: Delivery): Promise<string | null> {
  if (!isSignedBy(worker.publicKey, receiptText(report.attemptId, report.outputs), report.signature)) {
    return 'The signature of the delivery does not fit the key of the worker.';
  }
  const paths = new Set(report.outputs.map((output) => output.path));
  if (paths.size !== report.outputs.length) return 'A delivery names an output twice.';
  try {
    await checkContent(store, report.outputs);
    return null;
  } catch (error) {
    if (error instanceof PictorError && (error.code === 'chunks-missing' || error.code === 'validation')) {
      return error.message;
    }
    throw error;
  }
}

async function refuseDelivery(tx: Tx, worker: ConnectedWorker, report: Delivery, message: string): Promise<Recorded> {
  const failed = await failAttempt(tx, worker.workerId, {
    ...report,
    kind: 'frame-failed',
    failure: 'upload-failed',
    message,
  });
  return failed ? { outcome: 'refused', message, ...failed } : leaseLost;
}

async function apply(tx: Tx, worker: ConnectedWorker, report: LeaseReport): Promise<Recorded> {
  const { workerId } = worker;
  switch (report.kind) {
    case 'frame-delivered':
      return (await deliverFrame(tx, workerId, report)) ? recorded : leaseLost;
    case 'frame-failed': {
      const failed = await failAttempt(tx, workerId, report);
      return failed ? { ...recorded, ...failed } : leaseLost;
    }
    case 'lease-released':
      return (await releaseLease(tx, { ...report, workerId }, report.reason)) ? recorded : leaseLost;
    case 'frame-alert':
      return (await alertFrame(tx, workerId, report)) ? recorded : leaseLost;
  }
}

const recorded: Recorded = { outcome: 'recorded', message: '', stopped: [] };
const leaseLost: Recorded = {
  outcome: 'lease-lost',
  message: 'The lease is not this worker’s any more: its time was over, or it was taken back.',
  stopped: [],
};

const inspected = (outcome: 'recorded' | 'duplicate' | 'lease-lost'): Recorded =>
  outcome === 'recorded'
    ? recorded
    : { outcome, message: 'The inspection is not this worker’s any more.', stopped: [] };
