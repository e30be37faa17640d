import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PictorError, type WorkerId } from '@pictor/protocol';
import { z } from 'zod';
import { writeAtomic } from '../write-atomic.ts';

const KeyFile = z.object({
  workerId: z.string(),
  /** PKCS #8, PEM. Made here, never sent. */
  privateKey: z.string(),
  /** Whether the server took the public half: the enrolment code is not sent any more. */
  enrolled: z.boolean(),
});

/** Who this agent is: its key pair, and this start of it. */
export interface Identity {
  /** Ed25519 public key, raw 32 bytes in base64url. */
  publicKey: string;
  /** New for each start. */
  instanceId: string;
  isEnrolled(): boolean;
  /** Ed25519 over the UTF-8 bytes of the text, base64url. */
  sign(text: string): string;
  /** Keeps on disk that the server took the key. */
  markEnrolled(): Promise<void>;
}

/**
 * Reads the agent's key pair from `key.json` in the data folder, or makes it. Throws PictorError `usage` where the folder holds
 * the key of another worker, `setup-missing` where the key cannot be read.
 */
export async function loadIdentity(dataDir: string, workerId: WorkerId): Promise<Identity> {
  const path = join(dataDir, 'key.json');
  const found = await readKeyFile(path);
  if (found && found.workerId !== workerId) {
    throw new PictorError(
      'usage',
      `${dataDir} belongs to worker ${found.workerId}, the config is for ${workerId}: give another folder with --data.`,
    );
  }
  const keyFile = found ?? {
    workerId,
    privateKey: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    enrolled: false,
  };
  const save = (): Promise<void> => writeAtomic(path, `${JSON.stringify(keyFile, null, 2)}\n`, 0o600);
  if (found) {
    await chmod(path, 0o600);
  } else {
    await save();
  }
  const privateKey = parseKey(path, keyFile.privateKey);
  return {
    publicKey: createPublicKey(privateKey).export({ format: 'jwk' }).x as string,
    instanceId: randomUUID(),
    isEnrolled: () => keyFile.enrolled,
    sign: (text) => sign(null, Buffer.from(text, 'utf8'), privateKey).toString('base64url'),
    async markEnrolled() {
      if (!keyFile.enrolled) {
        keyFile.enrolled = true;
        await save();
      }
    },
  };
}

async function readKeyFile(path: string): Promise<z.infer<typeof KeyFile> | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw new PictorError('setup-missing', `${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  try {
    return KeyFile.parse(JSON.parse(text));
  } catch (error) {
    throw new PictorError(
      'setup-missing',
      `${path} is damaged. Restore it, or remove it, create the worker anew on the server and use its new config.`,
      { cause: error },
    );
  }
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new PictorError('setup-missing', `${path} holds no usable private key. Restore it from a backup.`, {
      cause: error,
    });
  }
}
