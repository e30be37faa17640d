import { randomBytes } from 'node:crypto';
import type {
  AttemptId,
  FrameId,
  InspectionId,
  JobId,
  LeaseId,
  OutputId,
  SnapshotId,
  WorkerId,
} from '@pictor/protocol';

interface Ids {
  job: JobId;
  frm: FrameId;
  att: AttemptId;
  lse: LeaseId;
  wrk: WorkerId;
  snp: SnapshotId;
  ins: InspectionId;
  out: OutputId;
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
const TIME_CHARACTERS = 9;
const RANDOM_CHARACTERS = 15;

/** A new id with the prefix of its kind, e.g. `job_0mhx3k2qf…`. Ids sort by the millisecond they were made in; the rest is random. */
export function newId<Prefix extends keyof Ids>(prefix: Prefix): Ids[Prefix] {
  const time = Date.now().toString(36).padStart(TIME_CHARACTERS, '0');
  let random = '';
  while (random.length < RANDOM_CHARACTERS) {
    for (const byte of randomBytes(RANDOM_CHARACTERS * 2)) {
      // 252 is the largest multiple of 36 in a byte: the rest would favour some characters.
      if (byte < 252 && random.length < RANDOM_CHARACTERS) random += ALPHABET[byte % 36];
    }
  }
  return `${prefix}_${time}${random}` as Ids[Prefix];
}
