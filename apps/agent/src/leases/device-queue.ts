import type { BlenderBuild, Lease, LeaseId, RenderDevice } from '@pictor/protocol';
import type { AgentEvent } from '../agent-events.ts';
import type { ContentCache } from '../cache/open-content-cache.ts';
import { errorText, log } from '../log.ts';
import { type DeliverySurroundings, deliverFrame } from './deliver-frame.ts';
import { describeFailure } from './describe-failure.ts';
import type { DeviceBlender } from './device-blender.ts';
import { type FrameInWork, type HeldLease, holdLease } from './held-lease.ts';

export interface DeviceQueueOptions extends DeliverySurroundings {
  device: RenderDevice;
  blender: DeviceBlender;
  cache: ContentCache;
  findBuild(sha256: string): BlenderBuild | undefined;
  /** Told at once, lost without harm. */
  tellStarted(leaseId: LeaseId, attemptId: FrameInWork['frame']['attemptId']): void;
  emit(event: AgentEvent): void;
  /** Something changed that the server should know now: leases, what is warm, what is cached. */
  onChange(): void;
  onProgress(): void;
}

/**
 * The leases of one device: one in work, the next one's files being fetched (SPEC.md, L5). Frames are rendered one after the
 * other; while one renders, the one before it is delivered.
 */
export interface DeviceQueue {
  device: RenderDevice;
  accept(lease: Lease): void;
  /** All leases in hand, those included that only wait for their last delivery. */
  leases(): readonly HeldLease[];
  isIdle(): boolean;
  /** Finishes the frame in work, delivers, and gives the rest back. Resolves when nothing is in hand. */
  drain(): Promise<void>;
  /** Stops at once and gives every lease back. Resolves when the reports are on disk. */
  abandon(reason: string): Promise<void>;
}

export function createDeviceQueue(options: DeviceQueueOptions): DeviceQueue {
  const { device, blender, outbox } = options;
  const waiting: HeldLease[] = [];
  const inHand = new Set<HeldLease>();
  let running = false;
  /** Why no frame is begun any more; its signal ends waits for files. */
  let leaving: string | null = null;
  const leave = new AbortController();
  let whenEmpty: (() => void)[] = [];

  function accept(lease: Lease): void {
    const held = holdLease({
      lease,
      cache: options.cache,
      onGrantExpired: options.onChange,
      onProgress: options.onProgress,
    });
    inHand.add(held);
    waiting.push(held);
    options.decoder.prepare({ ownerId: lease.ownerId });
    // The server hears at once that the files are here.
    held.fetched.then(options.onChange, () => undefined);
    options.onChange();
    void workThrough();
  }

  async function workThrough(): Promise<void> {
    if (running) {
      return;
    }
    running = true;
    for (let held = waiting.shift(); held !== undefined; held = waiting.shift()) {
      const deliveries = await renderLease(held);
      // Not awaited: the next lease renders while the last frames of this one are delivered.
      void finish(held, deliveries);
    }
    running = false;
  }

  /** Renders until the lease ends. Returns the deliveries that still go on. */
  async function renderLease(held: HeldLease): Promise<Promise<void>[]> {
    const deliveries: Promise<void>[] = [];
    while (leaving === null && !held.signal.aborted) {
      const work = held.takeFrame();
      if (work === null) {
        break;
      }
      const outcome = await renderFrame(held, work, deliveries);
      if (outcome === 'lease-hopeless') {
        break;
      }
    }
    return deliveries;
  }

  async function renderFrame(
    held: HeldLease,
    work: FrameInWork,
    deliveries: Promise<void>[],
  ): Promise<'go-on' | 'lease-hopeless'> {
    const { attemptId, number } = work.frame;
    const { lease } = held;
    options.tellStarted(lease.leaseId, attemptId);
    options.emit({ event: 'rendering', leaseId: lease.leaseId, attemptId, frame: number });
    try {
      await prepare(held, work);
    } catch (error) {
      if (leave.signal.aborted && error === leave.signal.reason) {
        held.putBack(work);
        return 'lease-hopeless';
      }
      await reportFailure(held, work, error, 'download-failed');
      return 'lease-hopeless';
    }
    try {
      const rendered = await blender.render({
        number,
        playFrom: lease.playFrom,
        timeouts: lease.timeouts,
        signal: work.signal,
        onProgress: ({ phase, fraction }) => held.setProgress(attemptId, phase, fraction),
        onAlert: (level, evidence) => void reportAlert(held, work, level, evidence),
      });
      options.onChange();
      deliveries.push(
        deliverFrame(held, work, rendered, options).then(
          () => {
            held.settle(attemptId);
            options.emit({
              event: 'delivered',
              leaseId: lease.leaseId,
              attemptId,
              frame: number,
              renderSeconds: rendered.renderSeconds,
            });
          },
          (error) => reportFailure(held, work, error, 'upload-failed'),
        ),
      );
    } catch (error) {
      await reportFailure(held, work, error, 'device-unavailable');
    }
    return 'go-on';
  }

  /** Has the files here and the scene open in the build that the lease names. */
  async function prepare(held: HeldLease, work: FrameInWork): Promise<void> {
    const { lease } = held;
    await unlessAborted(held.fetched, AbortSignal.any([work.signal, leave.signal]));
    held.setProgress(work.frame.attemptId, 'loading', 0);
    const build = options.findBuild(lease.blenderSha256);
    const tell = () => options.emit({ event: 'opening', leaseId: lease.leaseId, at: Date.now() });
    const open = () => blender.open(build, lease, (jobDir) => held.hold.fill(jobDir), work.signal, tell);
    try {
      await open();
    } catch (error) {
      // What Blender could not open may have been damaged here on disk: then the scene is not to blame.
      if (work.signal.aborted || (await held.hold.dropDamaged()) === 0) {
        throw error;
      }
      log('warn', 'Damaged files in the cache are fetched anew.', { snapshotId: lease.snapshotId });
      await held.fetchAgain();
      await open();
    }
  }

  async function reportFailure(
    held: HeldLease,
    work: FrameInWork,
    error: unknown,
    otherwise: Parameters<typeof describeFailure>[1],
  ): Promise<void> {
    const { attemptId, number } = work.frame;
    held.settle(attemptId);
    if (work.signal.aborted) {
      log('info', 'A frame was stopped.', { attemptId, frame: number, reason: errorText(work.signal.reason) });
      return;
    }
    const description = describeFailure(error, otherwise);
    const { leaseId, token } = held.lease;
    options.emit({
      event: 'frame-failed',
      leaseId,
      attemptId,
      frame: number,
      failure: description.failure,
      message: description.message,
    });
    await outbox.append({ kind: 'frame-failed', leaseId, token, attemptId, ...description });
    options.onChange();
  }

  async function reportAlert(
    held: HeldLease,
    work: FrameInWork,
    level: 'alert' | 'analysis',
    evidence: string,
  ): Promise<void> {
    const { leaseId, token } = held.lease;
    const { attemptId } = work.frame;
    await outbox.append({ kind: 'frame-alert', leaseId, token, attemptId, level, evidence: evidence.slice(0, 4096) });
  }

  /** The rest is given back only after the deliveries: with its last frame gone the server may close the lease. */
  async function finish(held: HeldLease, deliveries: Promise<void>[]): Promise<void> {
    await Promise.all(deliveries);
    const { leaseId, token } = held.lease;
    if (!held.signal.aborted && held.remainingFrames() > 0) {
      const reason = leaving ?? 'A frame of it failed in a way that the others would, too.';
      await outbox.append({ kind: 'lease-released', leaseId, token, reason });
    }
    held.hold.release();
    inHand.delete(held);
    options.onChange();
    if (inHand.size === 0) {
      const woken = whenEmpty;
      whenEmpty = [];
      for (const wake of woken) {
        wake();
      }
    }
  }

  async function empty(): Promise<void> {
    if (inHand.size > 0) {
      await new Promise<void>((resolve) => whenEmpty.push(resolve));
    }
  }

  return {
    device,
    accept,
    leases: () => [...inHand],
    isIdle: () => inHand.size === 0,
    async drain() {
      leaving = 'The agent drains.';
      leave.abort(new Error(leaving));
      await empty();
    },
    async abandon(reason) {
      leaving = reason;
      const leases = [...inHand].map(({ lease }) => lease);
      for (const held of inHand) {
        held.abort(reason);
      }
      await Promise.all(
        leases.map(({ leaseId, token }) => outbox.append({ kind: 'lease-released', leaseId, token, reason })),
      );
    },
  };
}

/** Stops waiting, not the work that is waited for. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
