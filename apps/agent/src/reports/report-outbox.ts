import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { Report, type ReportOutcome } from '@pictor/protocol';
import { z } from 'zod';
import { errorText, log } from '../log.ts';
import { writeAtomic } from '../write-atomic.ts';

/** One line of the file: a report, or how far the server has acknowledged. */
const Line = z.union([
  z.object({ sequence: z.number().int().min(1), report: Report }),
  z.object({ acknowledged: z.number().int().min(0) }),
]);

export interface NumberedReport {
  sequence: number;
  report: Report;
}

/**
 * Reports, numbered from 1, kept on disk until the server acknowledged them, sent in order (SPEC.md, R1 and R2). The file is
 * append-only NDJSON; a line that was torn by a crash is the last one and is dropped, its report was never sent.
 */
export interface ReportOutbox {
  /** Resolves when the report is on disk; it is sent then, or with the next connection. Throws where it breaks the protocol. */
  append(report: Report): Promise<void>;
  /** After a welcome: forgets what the server has recorded and sends the rest. Resolves when that is sent. */
  connected(lastSequence: number, send: (report: NumberedReport) => void): Promise<void>;
  disconnected(): void;
  acknowledge(sequence: number, outcome: ReportOutcome, message: string): void;
  /** Resolves when the server acknowledged all that was appended. */
  emptied(): Promise<void>;
  close(): Promise<void>;
}

interface Session {
  send(report: NumberedReport): void;
}

/** Acknowledged reports stay in the file until it has grown to this; then it is written anew. */
const COMPACT_BYTES = 4 * 1024 ** 2;

export type OnOutcome = (report: Report, outcome: ReportOutcome, message: string) => void;

export async function openReportOutbox(path: string, onOutcome: OnOutcome): Promise<ReportOutbox> {
  const recovered = await recover(path);
  let pending: NumberedReport[] = recovered.pending;
  let lastSequence = recovered.lastSequence;
  let acknowledged = recovered.acknowledged;
  let file: FileHandle = await open(path, 'a', 0o600);
  let fileBytes = recovered.bytes;
  /** The connection, and the same once all that was pending has been sent on it. */
  let session: Session | null = null;
  let active: Session | null = null;
  let writing: Promise<void> = Promise.resolve();
  let waiters: (() => void)[] = [];
  let unwritten = 0;

  /** One write at a time, in the order of the calls. */
  function enqueue(write: () => Promise<void>): Promise<void> {
    unwritten += 1;
    const written = writing.then(write).finally(() => {
      unwritten -= 1;
      wakeWhenEmpty();
    });
    // One write that failed must not fail those after it.
    writing = written.catch(() => undefined);
    return written;
  }

  async function appendLine(line: object, isDurable: boolean): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
      await file.appendFile(bytes);
      fileBytes += bytes.length;
      if (isDurable) {
        await file.datasync();
      }
    } catch (error) {
      // A full disk must not leave half a line in the middle of the file. The report itself is still sent from memory.
      log('error', 'A report could not be kept on disk.', { path, error: errorText(error) });
      await truncate(path, fileBytes).catch(() => undefined);
    }
  }

  async function compact(): Promise<void> {
    const lines = [{ acknowledged }, ...pending].map((line) => `${JSON.stringify(line)}\n`).join('');
    try {
      await writeAtomic(path, lines, 0o600);
    } catch (error) {
      log('warn', 'The file of reports could not be written anew.', { path, error: errorText(error) });
      return;
    }
    await file.close();
    file = await open(path, 'a', 0o600);
    fileBytes = Buffer.byteLength(lines);
  }

  /** Forgets what the server recorded. A server or a data folder restored from a backup makes them differ: numbers follow the server. */
  async function catchUp(recorded: number): Promise<void> {
    pending = pending.filter((report) => report.sequence > recorded);
    if (recorded === acknowledged) {
      return;
    }
    if (recorded < acknowledged) {
      log('warn', 'The server has forgotten reports that it had recorded.', { recorded, acknowledged });
      pending = pending.map(({ report }, position) => ({ sequence: recorded + 1 + position, report }));
      lastSequence = recorded + pending.length;
    }
    lastSequence = Math.max(lastSequence, recorded);
    acknowledged = recorded;
    await compact();
  }

  function wakeWhenEmpty(): void {
    if (pending.length === 0 && unwritten === 0) {
      const woken = waiters;
      waiters = [];
      for (const wake of woken) {
        wake();
      }
    }
  }

  function keepAcknowledged(): void {
    void enqueue(async () => {
      await appendLine({ acknowledged }, false);
      if (fileBytes > COMPACT_BYTES && pending.length < 100) {
        await compact();
      }
    });
  }

  return {
    async append(unchecked) {
      const report = Report.parse(unchecked);
      await enqueue(async () => {
        const numbered = { sequence: lastSequence + 1, report };
        lastSequence = numbered.sequence;
        await appendLine(numbered, true);
        pending.push(numbered);
        active?.send(numbered);
      });
    },
    connected(recorded, sendNow) {
      const mine = { send: sendNow };
      session = mine;
      return enqueue(async () => {
        if (session !== mine) {
          return;
        }
        await catchUp(recorded);
        if (session === mine) {
          active = mine;
          pending.forEach(sendNow);
        }
      });
    },
    disconnected() {
      session = null;
      active = null;
    },
    acknowledge(sequence, outcome, message) {
      const position = pending.findIndex((report) => report.sequence === sequence);
      const found = pending[position];
      if (found === undefined) {
        return;
      }
      pending.splice(position, 1);
      // Acknowledgements come in order; would one be missing, its report must stay on disk.
      acknowledged = Math.max(acknowledged, pending[0] === undefined ? sequence : pending[0].sequence - 1);
      keepAcknowledged();
      onOutcome(found.report, outcome, message);
      wakeWhenEmpty();
    },
    emptied() {
      return new Promise((resolve) => {
        waiters.push(resolve);
        wakeWhenEmpty();
      });
    },
    async close() {
      session = null;
      active = null;
      await writing;
      await file.close();
    },
  };
}

interface Recovered {
  pending: NumberedReport[];
  lastSequence: number;
  acknowledged: number;
  bytes: number;
}

async function recover(path: string): Promise<Recovered> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return { pending: [], lastSequence: 0, acknowledged: 0, bytes: 0 };
    }
    throw error;
  }
  const reports = new Map<number, Report>();
  let lastSequence = 0;
  let acknowledged = 0;
  let goodBytes = 0;
  while (goodBytes < content.length) {
    const end = content.indexOf(0x0a, goodBytes);
    const line = end < 0 ? null : parseLine(content.toString('utf8', goodBytes, end));
    if (line === null) {
      break;
    }
    goodBytes = end + 1;
    if ('acknowledged' in line) {
      acknowledged = Math.max(acknowledged, line.acknowledged);
    } else {
      reports.set(line.sequence, line.report);
    }
    lastSequence = Math.max(lastSequence, 'acknowledged' in line ? line.acknowledged : line.sequence);
  }
  if (goodBytes < content.length) {
    log('warn', 'The last report was torn by a crash and is dropped.', { path, bytes: content.length - goodBytes });
    // What follows the good part is kept beside it: should more than a torn line be lost, a person can look.
    await writeAtomic(`${path}.torn`, content.toString('utf8', goodBytes), 0o600);
    await truncate(path, goodBytes);
  }
  const pending = [...reports]
    .filter(([sequence]) => sequence > acknowledged)
    .sort(([first], [second]) => first - second)
    .map(([sequence, report]) => ({ sequence, report }));
  return { pending, lastSequence, acknowledged, bytes: goodBytes };
}

function parseLine(text: string): z.infer<typeof Line> | null {
  try {
    return Line.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
