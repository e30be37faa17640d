import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readlinkSync } from 'node:fs';
import { chmod, lstat, mkdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError } from '@pictor/protocol';
import pg from 'pg';
import { asOrdinaryUser, findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { createCluster, EMBEDDED_USER, PASSWORD_FILE } from './postgres-template.ts';

const START_SECONDS = 30;
const STOP_SECONDS = 15;
/** Longest path that a unix socket may have. */
const SOCKET_PATH_BYTES = 107;
const SOCKET_LOCK = '.s.PGSQL.5432.lock';

export interface EmbeddedPostgresOptions {
  /** Where the cluster stands; `<dataDir>/postgres` for a server. Its log is beside it, with `.log` added. */
  clusterDir: string;
  /** Folder for the template of a fresh cluster, shared by all clusters of this person. */
  templateHome: string;
  /** False only where losing the cluster with the machine is no loss (tests): nothing is synced to the disk. */
  durable: boolean;
  log: (message: string) => void;
}

/** A running PostgreSQL of our own. It is restarted where it dies, and stopped where this process dies. */
export interface EmbeddedPostgres {
  connection: pg.ClientConfig;
  /** Of the postmaster now; another one after a restart. */
  pid(): number;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on `clusterDir`, making the cluster where there is none, and taking over from a server that a killed process
 * left. It listens on a unix socket only. Throws `setup-missing` where the machine cannot run it, `disk-full`, and `already-running`
 * is not known here: hold the data folder's lock first.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = await findPostgresBinaries();
  const clusterDir = path.resolve(options.clusterDir);
  if (!existsSync(path.join(clusterDir, 'PG_VERSION'))) {
    await createCluster(binaries, clusterDir, options.templateHome, options.durable);
  }
  await refuseOtherVersion(clusterDir, binaries);
  const socketDir = await createSocketDir(clusterDir);
  const password = await readFile(path.join(clusterDir, PASSWORD_FILE), 'utf8');
  const connection = { host: socketDir, port: 5432, user: EMBEDDED_USER, database: 'postgres', password };

  let stopping = false;
  let running = await startPostmaster(binaries, clusterDir, socketDir, connection, options.durable);
  const supervise = async (): Promise<void> => {
    while (!stopping) {
      await running.exited;
      if (stopping) return;
      options.log('PostgreSQL stopped by itself: starting it again');
      try {
        running = await startPostmaster(binaries, clusterDir, socketDir, connection, options.durable);
        options.log('PostgreSQL runs again');
      } catch (error) {
        options.log(`PostgreSQL does not start: ${(error as Error).message}`);
        await sleep(1000);
      }
    }
  };
  const supervision = supervise();

  return {
    connection,
    pid: () => running.pid,
    async stop() {
      stopping = true;
      await running.stop();
      await supervision;
      // A restart that was under way when `stopping` was set.
      await running.stop();
      await rm(socketDir, { recursive: true, force: true });
    },
  };
}

interface Postmaster {
  pid: number;
  exited: Promise<void>;
  stop(): Promise<void>;
}

async function startPostmaster(
  binaries: PostgresBinaries,
  clusterDir: string,
  socketDir: string,
  connection: pg.ClientConfig,
  durable: boolean,
): Promise<Postmaster> {
  // An ending PostgreSQL removes the one file before the other.
  await takeOver(clusterDir, path.join(clusterDir, 'postmaster.pid'));
  await takeOver(clusterDir, path.join(socketDir, SOCKET_LOCK));
  const logFile = `${clusterDir}.log`;
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    max_connections: '60',
    shared_buffers: '48MB',
    // The workers for asynchronous reads and for parallel queries cost memory that a network of one machine lacks.
    io_method: 'sync',
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
    log_min_messages: 'warning',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const args = ['-D', clusterDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const deadline = Date.now() + START_SECONDS * 1000;
  for (;;) {
    const log = openSync(logFile, 'w', 0o600);
    const { command, args: all } = asOrdinaryUser(binaries.postgres, args);
    // Detached: Ctrl-C in a terminal goes to the whole group, and PostgreSQL must outlive the server's clean stop.
    const child = spawn(command, all, {
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    let hasExited = false;
    const exited = new Promise<void>((resolve) => {
      const done = () => {
        hasExited = true;
        resolve();
      };
      child.once('exit', done);
      child.once('error', done);
    });
    if (child.pid !== undefined) {
      const guard = startGuard(child.pid);
      void exited.then(() => guard.kill('SIGKILL'));
      while (!hasExited && Date.now() < deadline) {
        if (await answers(connection)) return { pid: child.pid, exited, stop: () => stopPostmaster(child, exited) };
        await Promise.race([exited, sleep(10)]);
      }
      await stopPostmaster(child, exited);
    }
    const said = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-4).join(' ');
    // The backends of a postmaster that was killed hold its shared memory for a moment: only then is it worth another try.
    if (Date.now() > deadline || !said.includes('shared memory block')) {
      throw new PictorError(
        said.includes('No space left on device') ? 'disk-full' : 'setup-missing',
        `PostgreSQL does not start on ${clusterDir}: ${said || `${command} could not be run`}. See ${logFile}, or set DATABASE_URL to a PostgreSQL server.`,
      );
    }
    await sleep(100);
  }
}

/**
 * A shell that holds a pipe from this process and stops PostgreSQL where the pipe breaks: whatever kills this process, no database
 * server is left running.
 */
function startGuard(pid: number): ChildProcess {
  const script =
    'read _; kill -INT "$1"; n=0; while kill -0 "$1" 2>/dev/null; do n=$((n+1)); [ $n = 100 ] && kill -QUIT "$1"; sleep 0.1; done';
  const guard = spawn('sh', ['-c', script, 'pictor-postgres-guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.unref();
  return guard;
}

async function stopPostmaster(child: ChildProcess, exited: Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const timer = new AbortController();
    await Promise.race([exited, sleep(STOP_SECONDS * 1000, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
}

/** Ends a server that runs on this cluster without us: whoever started it was killed, and its guard has not come to it yet. */
async function takeOver(clusterDir: string, pidFile: string): Promise<void> {
  const content = await readFile(pidFile, 'utf8').catch(() => null);
  if (content === null) return;
  const pid = Number.parseInt(content, 10);
  const directory = await realpath(clusterDir);
  if (!(pid > 1) || !runsIn(pid, directory)) {
    // Its number may be another process's by now, which PostgreSQL would take for a rival and refuse to start.
    await rm(pidFile, { force: true });
    return;
  }
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      break;
    }
    const deadline = Date.now() + STOP_SECONDS * 1000;
    while (Date.now() < deadline) {
      if (!runsIn(pid, directory)) return rm(pidFile, { force: true });
      await sleep(20);
    }
  }
  if (!runsIn(pid, directory)) await rm(pidFile, { force: true });
}

/** Whether `pid` is a process that works in `directory`, as a postmaster does in its cluster. */
function runsIn(pid: number, directory: string): boolean {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === directory;
    } catch {
      return false;
    }
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function answers(connection: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** A folder for the socket that others cannot enter: beside the cluster, or in the system's one where that path is too long. */
async function createSocketDir(clusterDir: string): Promise<string> {
  const beside = `${clusterDir}-socket`;
  const fits = Buffer.byteLength(path.join(beside, SOCKET_LOCK)) <= SOCKET_PATH_BYTES;
  const owner = process.getuid?.() ?? 0;
  const name = `pictor-${owner}-${createHash('sha256').update(clusterDir).digest('hex').slice(0, 16)}`;
  const directory = fits ? beside : path.join(tmpdir(), name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== owner) {
    throw new PictorError(
      'setup-missing',
      `${directory} belongs to somebody else: remove it, PostgreSQL's socket goes there.`,
    );
  }
  await chmod(directory, 0o700);
  return directory;
}

async function refuseOtherVersion(clusterDir: string, binaries: PostgresBinaries): Promise<void> {
  const major = (await readFile(path.join(clusterDir, 'PG_VERSION'), 'utf8')).trim();
  if (binaries.version.startsWith(`${major}.`)) return;
  throw new PictorError(
    'setup-missing',
    `The database in ${clusterDir} was made by PostgreSQL ${major}, this Pictor brings ${binaries.version}: ` +
      'dump it with the old version and load it into an empty data folder.',
  );
}
