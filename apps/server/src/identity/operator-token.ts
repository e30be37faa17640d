import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import path from 'node:path';
import { readOrCreateSecret } from './secret-file.ts';

/** The token of this server's operator: `<dataDir>/operator-token`, made at the first start, 256 random bits. */
export async function loadOperatorToken(dataDir: string): Promise<string> {
  return readOrCreateSecret(path.join(dataDir, 'operator-token'), () => randomBytes(32).toString('base64url'));
}

/** Whether two tokens are equal, in a time that tells nothing of where they differ. */
export function tokensMatch(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
