import { homedir } from 'node:os';
import path from 'node:path';
import { PictorError } from '@pictor/protocol';
import { z } from 'zod';

const DEFAULT_LISTEN = '127.0.0.1:7878';

const Environment = z.object({
  PICTOR_HOME: z.string().min(1).optional(),
  XDG_DATA_HOME: z.string().min(1).optional(),
  PICTOR_DATA_DIR: z.string().min(1).optional(),
  PICTOR_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port, e.g. 127.0.0.1:7878 (port 0 takes a free one)')
    .refine((listen) => portOf(listen) <= 65_535, 'expected a port up to 65535')
    .default(DEFAULT_LISTEN),
  PICTOR_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'expected the address that agents reach, e.g. https://pictor.example.org' })
    .optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected postgres://…, or nothing for the embedded server')
    .optional(),
  OBJECT_STORE_URL: z
    .string()
    .regex(/^file:\/\/\//, 'expected file:///…, or nothing for the data folder: other stores are not supported')
    .optional(),
  PICTOR_EXIT_WITH_PARENT: z.enum(['0', '1']).default('0'),
  PICTOR_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

export interface Config {
  /** Folder of this person's Pictor, where templates and caches are shared between servers. */
  home: string;
  dataDir: string;
  listen: { host: string; port: number };
  /** What agents and people on other machines connect to; null: the address it listens on. */
  publicUrl: string | null;
  /** Null: the embedded server. */
  databaseUrl: string | null;
  storeDir: string;
  exitWithParent: boolean;
  logLevel: string;
}

/** Reads the configuration. Throws `setup-missing` that names every variable that is wrong. An empty variable is an absent one. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const checked = Environment.safeParse(given);
  if (!checked.success) {
    const problems = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new PictorError('setup-missing', `The configuration is wrong. ${problems.join('. ')}.`, {
      details: { problems },
    });
  }
  const values = checked.data;
  const home = path.resolve(
    values.PICTOR_HOME ?? path.join(values.XDG_DATA_HOME ?? path.join(homedir(), '.local', 'share'), 'pictor'),
  );
  const dataDir = path.resolve(values.PICTOR_DATA_DIR ?? path.join(home, 'server'));
  return Object.freeze({
    home,
    dataDir,
    listen: { host: hostOf(values.PICTOR_LISTEN), port: portOf(values.PICTOR_LISTEN) },
    publicUrl: values.PICTOR_PUBLIC_URL ?? null,
    databaseUrl: values.DATABASE_URL ?? null,
    storeDir: values.OBJECT_STORE_URL ? new URL(values.OBJECT_STORE_URL).pathname : path.join(dataDir, 'store'),
    exitWithParent: values.PICTOR_EXIT_WITH_PARENT === '1',
    logLevel: values.PICTOR_LOG_LEVEL,
  });
}

const hostOf = (listen: string) => listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
const portOf = (listen: string) => Number(listen.slice(listen.lastIndexOf(':') + 1));
