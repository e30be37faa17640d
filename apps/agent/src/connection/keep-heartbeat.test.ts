import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { keepHeartbeat } from './keep-heartbeat.ts';

describe(keepHeartbeat, () => {
  test('sends one at once, and one each interval', async () => {
    const { sentAt, heartbeat } = setup();
    heartbeat.start(5);
    await vi.advanceTimersByTimeAsync(12_000);

    expect(sentAt).toEqual([0, 5000, 10_000]);
  });

  test('sends one at once where something changed, and one for many changes together', async () => {
    const { sentAt, heartbeat } = setup();
    heartbeat.start(5);
    await vi.advanceTimersByTimeAsync(1000);
    heartbeat.soon();
    await vi.advanceTimersByTimeAsync(10);
    heartbeat.soon();
    heartbeat.soon();
    await vi.advanceTimersByTimeAsync(7000);

    expect(sentAt).toEqual([0, 1000, 1100, 6100]);
  });

  test('sends at most one a second for progress', async () => {
    const { sentAt, heartbeat } = setup();
    heartbeat.start(60);
    for (let tick = 0; tick < 250; tick += 1) {
      await vi.advanceTimersByTimeAsync(10);
      heartbeat.progress();
    }

    expect(sentAt).toEqual([0, 1000, 2000]);
  });

  test('sends nothing after it was stopped', async () => {
    const { sentAt, heartbeat } = setup();
    heartbeat.start(5);
    await vi.advanceTimersByTimeAsync(0);
    heartbeat.stop();
    heartbeat.soon();
    await vi.advanceTimersByTimeAsync(20_000);

    expect(sentAt).toEqual([0]);
  });
});

function setup() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const startedAt = performance.now();
  const sentAt: number[] = [];
  const heartbeat = keepHeartbeat(
    async () => ({
      type: 'heartbeat',
      leases: [],
      warm: [],
      cached: [],
      progress: [],
      telemetry: { cpuLoad: 0, memoryUsedBytes: 0, diskFreeBytes: 0, gpus: [] },
      draining: false,
    }),
    () => sentAt.push(Math.round(performance.now() - startedAt)),
  );
  return { sentAt, heartbeat };
}
