import { randomBytes } from 'node:crypto';
import { type Hello, PROTOCOL_VERSION, proofText, REFUSALS, type RefusalReason } from '@pictor/protocol';
import type { z } from 'zod';
import { type Db, withTransaction } from '../db/index.ts';
import { enrolWorker, findWorker, type KnownWorker } from '../workers/index.ts';
import { isPublicKey, isSignedBy } from './ed25519.ts';

/** Why a connection is not taken; `message` is for people. */
export interface Refusal {
  reason: RefusalReason;
  message: string;
}

/** An agent that has said who it wants to be, and must prove it. */
export interface Challenge {
  nonce: string;
  hello: z.output<typeof Hello>;
}

/** The sentence of a refusal, with what is special to this one. */
export function refusal(reason: RefusalReason, detail = ''): Refusal {
  return { reason, message: [REFUSALS[reason].sentence, detail].filter(Boolean).join(' ') };
}

/** Compares the versions, before anything else of a hello is read (SPEC.md H5). */
export function compareProtocol(agentVersion: number): Refusal | null {
  if (agentVersion === PROTOCOL_VERSION) return null;
  const detail = `It speaks version ${agentVersion} of the protocol, the server ${PROTOCOL_VERSION}.`;
  return refusal(agentVersion < PROTOCOL_VERSION ? 'agent-too-old' : 'server-too-old', detail);
}

/** Answers a hello with a challenge, where the worker may connect with the key it names (SPEC.md H1, H3). */
export async function challengeAgent(db: Db, hello: z.output<typeof Hello>): Promise<Challenge | Refusal> {
  if (!isPublicKey(hello.publicKey)) return refusal('malformed', 'The public key is not 32 bytes in base64url.');
  const worker = await findWorker(db, hello.workerId, hello.enrolmentCode);
  const problem = judge(worker, hello);
  return problem ?? { nonce: randomBytes(32).toString('base64url'), hello };
}

function judge(worker: KnownWorker | undefined, hello: z.output<typeof Hello>): Refusal | null {
  if (!worker) return refusal('unknown-worker', hello.workerId);
  if (worker.isRevoked) return refusal('revoked');
  if (worker.publicKey === hello.publicKey) return null;
  if (worker.publicKey !== null) {
    return worker.isCodeRight ? refusal('enrolment-code-used', `It was ${worker.hostname}.`) : refusal('wrong-key');
  }
  if (hello.enrolmentCode === undefined) return refusal('not-enrolled');
  return worker.isCodeRight ? null : refusal('enrolment-code-wrong');
}

/** Verifies the proof (SPEC.md H2), and enrols the key where the worker has none yet (H3). Returns the worker as it is now. */
export async function admitAgent(db: Db, challenge: Challenge, signature: string): Promise<KnownWorker | Refusal> {
  const { hello, nonce } = challenge;
  if (!isSignedBy(hello.publicKey, proofText(nonce, hello.workerId), signature)) {
    return refusal('wrong-key', 'The signature does not fit the key.');
  }
  const { workerId, enrolmentCode: code, publicKey, hostname } = hello;
  if (code !== undefined) {
    await withTransaction(db, (tx) => enrolWorker(tx, { workerId, code, publicKey, hostname }), { repeatable: true });
  }
  // Read again: of two agents that enrol at once one has lost, and a key may have been revoked meanwhile.
  const worker = await findWorker(db, workerId, code);
  return judge(worker, hello) ?? (worker as KnownWorker);
}
