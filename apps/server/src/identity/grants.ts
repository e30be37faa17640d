import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import path from 'node:path';
import { InspectionId, LeaseId, PictorError, SnapshotId, WorkerId } from '@pictor/protocol';
import { z } from 'zod';
import { readOrCreateSecret } from './secret-file.ts';

/** What a grant says: this worker may read this snapshot's chunks and upload new ones, until then (rule C3). */
export const GrantClaims = z.discriminatedUnion('purpose', [
  z.object({
    purpose: z.literal('lease'),
    leaseId: LeaseId,
    workerId: WorkerId,
    snapshotId: SnapshotId,
    expiresAtSeconds: z.number(),
  }),
  z.object({
    purpose: z.literal('inspection'),
    inspectionId: InspectionId,
    workerId: WorkerId,
    snapshotId: SnapshotId,
    expiresAtSeconds: z.number(),
  }),
]);
export type GrantClaims = z.infer<typeof GrantClaims>;

/** What to put into a grant; the time of expiry is added. */
export type GrantSubject = GrantClaims extends infer Claims
  ? Claims extends GrantClaims
    ? Omit<Claims, 'expiresAtSeconds'>
    : never
  : never;

/** Signs and verifies grants with a key of this network. */
export interface Grants {
  sign(subject: GrantSubject, validSeconds: number): string;
  /** Throws `forbidden` for a grant that this network did not give, `grant-expired` for one whose time is over. */
  verify(grant: string): GrantClaims;
}

/** Loads the key of grants from `<dataDir>/keys/grants`, made at the first start. `now` is for tests, in seconds. */
export async function createGrants(dataDir: string, now = () => Date.now() / 1000): Promise<Grants> {
  const secret = await readOrCreateSecret(path.join(dataDir, 'keys', 'grants'), () =>
    randomBytes(32).toString('base64url'),
  );
  const key = Buffer.from(secret, 'base64url');
  const macOf = (payload: string) => createHmac('sha256', key).update(`pictor-grant-v1:${payload}`).digest();
  return {
    sign(subject, validSeconds) {
      const claims = { ...subject, expiresAtSeconds: now() + validSeconds };
      const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
      return `${payload}.${macOf(payload).toString('base64url')}`;
    },
    verify(grant) {
      const [payload = '', mac = ''] = grant.split('.');
      const expected = macOf(payload);
      const given = Buffer.from(mac, 'base64url');
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new PictorError('forbidden', 'This grant was not given by this network.');
      }
      const claims = GrantClaims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
      if (claims.expiresAtSeconds < now()) {
        throw new PictorError('grant-expired', 'This grant is over: take the one of the newest heartbeat.');
      }
      return claims;
    },
  };
}
