import { createHash } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';

const MAX_SLOTS = 16;

/** A data folder that one embedded network has for itself; let go when its process ends, however that ends. */
export interface EmbeddedSlot {
  folder: string;
}

/**
 * Takes the first free one of `embedded`, `embedded-2`, … below the home: databases and caches stay there for the next start.
 *
 * @throws PictorError `already-running` where all are in use
 */
export async function takeEmbeddedSlot(home: string): Promise<EmbeddedSlot> {
  for (let number = 1; number <= MAX_SLOTS; number++) {
    const folder = join(home, slotName(number));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (await lock(await realpath(folder))) return { folder };
  }
  throw new PictorError(
    'already-running',
    `${MAX_SLOTS} embedded networks are running already. Wait for one to end, or start one server with "pictor up" for all jobs.`,
  );
}

export function slotName(number: number): string {
  return number === 1 ? 'embedded' : `embedded-${number}`;
}

/** The kernel takes an abstract socket back when its process is gone: no lock file that outlives a kill -9. */
function lock(folder: string): Promise<boolean> {
  const name = createHash('sha256').update(`${process.getuid?.()}:${folder}`).digest('hex').slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(`\0pictor-embedded-${name}`, () => {
      server.unref();
      resolve(true);
    });
  });
}
