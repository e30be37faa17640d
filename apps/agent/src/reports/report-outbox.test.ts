import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeaseId, type Report, type ReportOutcome } from '@pictor/protocol';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { type NumberedReport, openReportOutbox } from './report-outbox.ts';

describe(openReportOutbox, () => {
  test('numbers reports from 1 and sends them in order once connected', async () => {
    const { outbox, sent, send } = await setup();
    await outbox.append(released('first'));
    await outbox.append(released('second'));
    expect(sent).toEqual([]);

    await outbox.connected(0, send);
    await outbox.append(released('third'));

    expect(summaries(sent)).toEqual(['1 first', '2 second', '3 third']);
    await outbox.close();
  });

  test('keeps what was not acknowledged over a restart, and nothing else', async () => {
    const { outbox, send, path } = await setup();
    await outbox.connected(0, send);
    await outbox.append(released('first'));
    await outbox.append(released('second'));
    outbox.acknowledge(1, 'recorded', '');
    await outbox.close();

    const again = await setup(path);
    await again.outbox.connected(1, again.send);
    await again.outbox.append(released('third'));

    expect(summaries(again.sent)).toEqual(['2 second', '3 third']);
    await again.outbox.close();
  });

  test('forgets what the server recorded although its acknowledgement was lost', async () => {
    const { outbox, path } = await setup();
    await outbox.append(released('first'));
    await outbox.append(released('second'));
    await outbox.close();

    const again = await setup(path);
    await again.outbox.connected(1, again.send);
    await again.outbox.append(released('third'));

    expect(summaries(again.sent)).toEqual(['2 second', '3 third']);
    await again.outbox.close();
  });

  test('drops a last line that a crash tore, and uses its number again', async () => {
    const { outbox, path } = await setup();
    await outbox.append(released('first'));
    await outbox.close();
    await appendFile(path, '{"sequence":2,"report":{"kind":"lease-rel');

    const again = await setup(path);
    await again.outbox.append(released('second'));
    await again.outbox.connected(0, again.send);
    await again.outbox.append(released('third'));

    expect(summaries(again.sent)).toEqual(['1 first', '2 second', '3 third']);
    await again.outbox.close();
    expect(await readFile(path, 'utf8')).not.toContain('lease-rel"');
  });

  test('survives a cut after any byte of its file', async () => {
    const { outbox, path } = await setup();
    await outbox.append(released('first'));
    await outbox.append(released('second'));
    await outbox.close();
    const whole = await readFile(path);

    for (let bytes = 0; bytes <= whole.length; bytes += 7) {
      const folder = await temporaryFolder();
      const cut = join(folder, 'reports.ndjson');
      await appendFile(cut, whole.subarray(0, bytes));
      const again = await setup(cut);
      await again.outbox.append(released('next'));
      await again.outbox.connected(0, again.send);
      await again.outbox.append(released('last'));
      const numbers = again.sent.map(({ sequence }) => sequence);
      expect(numbers).toEqual(numbers.map((_, position) => position + 1));
      expect(summaries(again.sent).at(-1)).toBe(`${numbers.length} last`);
      await again.outbox.close();
    }
  });

  test('goes on after the number that the server knows, where the data folder is older than that', async () => {
    const { outbox, sent, send } = await setup();
    await outbox.connected(41, send);
    await outbox.append(released('first'));

    expect(summaries(sent)).toEqual(['42 first']);
    await outbox.close();
  });

  test('numbers pending reports anew where the server was restored from a backup and forgot some', async () => {
    const { outbox, sent, send } = await setup();
    await outbox.connected(0, send);
    await outbox.append(released('first'));
    await outbox.append(released('second'));
    outbox.acknowledge(1, 'recorded', '');
    outbox.acknowledge(2, 'recorded', '');
    outbox.disconnected();
    await outbox.append(released('third'));
    sent.length = 0;

    await outbox.connected(0, send);
    await outbox.append(released('fourth'));

    expect(summaries(sent)).toEqual(['1 third', '2 fourth']);
    await outbox.close();
  });

  test('tells what became of a report', async () => {
    const { outbox, outcomes, send } = await setup();
    await outbox.connected(0, send);
    await outbox.append(released('first'));
    outbox.acknowledge(1, 'lease-lost', 'The lease expired.');
    outbox.acknowledge(1, 'lease-lost', 'The lease expired.');

    expect(outcomes).toEqual(['lease-lost']);
    await outbox.emptied();
    await outbox.close();
  });
});

async function setup(path?: string) {
  const file = path ?? join(await temporaryFolder(), 'reports.ndjson');
  const sent: NumberedReport[] = [];
  const outcomes: ReportOutcome[] = [];
  const outbox = await openReportOutbox(file, (_, outcome) => outcomes.push(outcome));
  return { outbox, sent, outcomes, path: file, send: (report: NumberedReport) => void sent.push(report) };
}

function released(reason: string): Report {
  return { kind: 'lease-released', leaseId: LeaseId.parse('lse_00000000'), token: 'token', reason };
}

function summaries(reports: NumberedReport[]): string[] {
  return reports.map(({ sequence, report }) => `${sequence} ${'reason' in report ? report.reason : ''}`);
}
