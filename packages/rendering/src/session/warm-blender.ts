import { chmod, copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InspectionReport } from '@pictor/protocol';
import type { BlenderProcess } from './blender-process.ts';
import { BlenderSupply, type SupplyOptions } from './blender-supply.ts';
import { type FrameToRender, renderWatched } from './render-watched.ts';
import type { SceneFile, SceneToOpen } from './scene-to-open.ts';
import { Session } from './session.ts';
import { withStopRules } from './stop-rules.ts';
import { type RenderedFile, takeBaked } from './take-outputs.ts';

/** A Blender that has inspected a file waits so long for a job with it. */
const KEEP_INSPECTED_MS = 60_000;

/**
 * `workDir` is private to this device. `slot` is the number of the device on this agent: each has a range of 16 slots of the
 * sandbox, from `slot * 16`.
 */
export type WarmBlenderOptions = SupplyOptions;

export interface RenderedFrame {
  /** Out of the sandbox, in a folder of this frame; whoever takes the frame removes them. */
  files: RenderedFile[];
  renderSeconds: number;
  /** Loading and writing included. */
  totalSeconds: number;
  peakMemoryBytes: number;
  /** Whether the scene was loaded already. */
  warm: boolean;
  log: string;
}

export interface BakedFile {
  /** Out of the sandbox; whoever takes it removes it. */
  localPath: string;
  /** Of the baked file in the place of the one it was made from. */
  report: InspectionReport;
}

export interface WarmBlender {
  /** The scene that the next frames of the same job find loaded. */
  warmScene(): { snapshotId: string; file: string } | null;
  /**
   * Makes a scene ready to render: at once where it is open with the same settings, else in the Blender that has its files, else
   * in the standby. Not to be called while a frame renders.
   *
   * @throws RenderFailure `scene-invalid`, `input-missing`, `device-unavailable`, `blender-crashed`, `out-of-memory` …
   */
  open(scene: SceneToOpen): Promise<{ warm: boolean; loadSeconds: number }>;
  /**
   * Renders a frame of the open scene; resolves as soon as its files are out of the sandbox. After a failure the next call opens
   * the scene again in another Blender.
   *
   * @throws RenderFailure; the signal's reason where it was aborted.
   */
  render(frame: FrameToRender): Promise<RenderedFrame>;
  /**
   * Says what is in a .blend. May run while a frame renders.
   *
   * @throws RenderFailure as `open`.
   */
  inspect(scene: SceneFile): Promise<InspectionReport>;
  /**
   * Bakes the simulations of a .blend into a copy of it, in a Blender of its own. May run while a frame renders, and takes as long as
   * playing the scene does. What could not be baked is listed in its report.
   *
   * @throws RenderFailure as `open`.
   */
  bake(scene: SceneFile): Promise<BakedFile>;
  /** Ends all its processes and removes their folders. */
  close(): Promise<void>;
}

/** Keeps one standby and at most one open session for a device; the first standby starts at once. */
export function createWarmBlender(options: WarmBlenderOptions): WarmBlender {
  return new DeviceBlender(options);
}

class DeviceBlender implements WarmBlender {
  readonly #options: WarmBlenderOptions;
  readonly #supply: BlenderSupply;
  #session: Session | null = null;
  #inspected: Session | null = null;
  #inspectedTimer: NodeJS.Timeout | undefined;
  #scene: SceneToOpen | null = null;
  /** Of an opening that no frame has counted yet. */
  #loadSeconds = 0;
  #framesTaken = 0;
  #bakesTaken = 0;

  constructor(options: WarmBlenderOptions) {
    this.#options = options;
    this.#supply = new BlenderSupply(options);
  }

  warmScene(): { snapshotId: string; file: string } | null {
    const session = this.#session;
    if (!session?.isOpen || session.process.hasEnded) return null;
    return { snapshotId: session.files.snapshotId, file: session.files.file };
  }

  open(scene: SceneToOpen): Promise<{ warm: boolean; loadSeconds: number }> {
    return this.#supply.atWork(async () => {
      this.#scene = scene;
      const { warm, loadSeconds } = await this.#open(scene);
      return { warm, loadSeconds };
    });
  }

  render(frame: FrameToRender): Promise<RenderedFrame> {
    return this.#supply.atWork(async () => {
      const startedMs = performance.now();
      frame.signal.throwIfAborted();
      const session = await this.#sessionForFrame(frame);
      const warm = session.framesRendered > 0;
      this.#framesTaken += 1;
      const destination = join(this.#options.workDir, `frame-${this.#framesTaken}`);
      try {
        const rendered = await renderWatched(session, frame, destination);
        if (session.hasOutgrown(rendered.peakMemoryBytes)) this.#dropSession();
        const totalSeconds = this.#loadSeconds + (performance.now() - startedMs) / 1000;
        this.#loadSeconds = 0;
        return { ...rendered, totalSeconds, warm };
      } catch (error) {
        this.#dropSession();
        await rm(destination, { recursive: true, force: true });
        throw error;
      }
    });
  }

  inspect(scene: SceneFile): Promise<InspectionReport> {
    return this.#supply.atWork(async () => {
      const { session, report } = await this.#inspect(scene);
      this.#keepInspected(session);
      return report;
    });
  }

  bake(scene: SceneFile): Promise<BakedFile> {
    return this.#supply.atWork(async () => {
      this.#bakesTaken += 1;
      const localPath = join(this.#options.workDir, `baked-${this.#bakesTaken}.blend`);
      try {
        await this.#bakeInto(localPath, scene);
        const { session, report } = await this.#inspect({ ...scene, fill: withFile(scene, localPath) });
        this.#supply.dispose(session.process);
        return { localPath, report };
      } catch (error) {
        await rm(localPath, { force: true });
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    this.#dropSession();
    this.#keepInspected(null);
    await this.#supply.close();
  }

  async #bakeInto(localPath: string, scene: SceneFile): Promise<void> {
    const session = await this.#newSession(scene, { display: false });
    try {
      const rules = { ...scene, doing: `baking ${scene.file}` };
      const name = await withStopRules(session.process, rules, () => session.bake(scene));
      await takeBaked(session.process.sandboxed, name, localPath);
    } finally {
      this.#supply.dispose(session.process);
    }
  }

  async #inspect(scene: SceneFile): Promise<{ session: Session; report: InspectionReport }> {
    const session = await this.#newSession(scene, { display: false });
    try {
      const rules = { ...scene, doing: `inspecting ${scene.file}` };
      return { session, report: await withStopRules(session.process, rules, () => session.inspect(scene)) };
    } catch (error) {
      this.#supply.dispose(session.process);
      throw error;
    }
  }

  async #open(scene: SceneToOpen): Promise<{ session: Session; warm: boolean; loadSeconds: number }> {
    const startedMs = performance.now();
    try {
      if (!this.#session?.fits(scene)) {
        this.#dropSession();
        this.#session = this.#takeInspected(scene) ?? (await this.#newSession(scene, { display: false }));
      }
      await this.#limitMemory(this.#session.process, scene);
      let session = this.#session;
      let warm = await this.#openIn(session, scene);
      if (this.#needsDisplay(session)) {
        this.#dropSession();
        session = this.#session = await this.#newSession(scene, { display: true });
        warm = await this.#openIn(session, scene);
      }
      if (!warm) this.#loadSeconds = (performance.now() - startedMs) / 1000;
      return { session, warm, loadSeconds: warm ? 0 : this.#loadSeconds };
    } catch (error) {
      this.#dropSession();
      throw error;
    }
  }

  #openIn(session: Session, scene: SceneToOpen): Promise<boolean> {
    return withStopRules(session.process, { ...scene, doing: `opening ${scene.file}` }, () =>
      session.open(scene, this.#options.device),
    );
  }

  async #sessionForFrame(frame: FrameToRender): Promise<Session> {
    const session = this.#session;
    if (session?.isOpen && !session.process.hasEnded) return session;
    if (!this.#scene) throw new Error('No scene was opened: call open() before render()');
    const { stopSeconds } = frame.timeouts;
    const { session: reopened } = await this.#open({ ...this.#scene, signal: frame.signal, stopSeconds });
    // The time of this opening is within the frame's own.
    this.#loadSeconds = 0;
    return reopened;
  }

  async #newSession(scene: SceneFile, needs: { display: boolean }): Promise<Session> {
    const process = await this.#supply.take(needs);
    try {
      await this.#limitMemory(process, scene);
      await scene.fill(process.sandboxed.jobDir);
      return new Session(process, scene);
    } catch (error) {
      this.#supply.dispose(process);
      throw error;
    }
  }

  /** The lower of the device's limit and the job's; a Blender that goes on may have had another job's. */
  async #limitMemory(process: BlenderProcess, scene: SceneFile): Promise<void> {
    const limits = [this.#options.memoryLimitBytes, scene.memoryLimitBytes].filter(
      (limit) => typeof limit === 'number',
    );
    await process.setMemoryLimit(limits.length === 0 ? null : Math.min(...limits));
  }

  #needsDisplay(session: Session): boolean {
    if (session.process.hasDisplay) return false;
    const needsDisplay = this.#options.build.needsDisplay ?? [];
    return needsDisplay.some((engine) =>
      session.openScene().engine.startsWith(engine === 'CYCLES' ? engine : `BLENDER_${engine}`),
    );
  }

  #takeInspected(scene: SceneToOpen): Session | null {
    const inspected = this.#inspected;
    if (!inspected?.fits(scene)) return null;
    this.#inspected = null;
    clearTimeout(this.#inspectedTimer);
    return inspected;
  }

  #keepInspected(session: Session | null): void {
    clearTimeout(this.#inspectedTimer);
    if (this.#inspected) this.#supply.dispose(this.#inspected.process);
    this.#inspected = session;
    if (session) this.#inspectedTimer = setTimeout(() => this.#keepInspected(null), KEEP_INSPECTED_MS);
  }

  #dropSession(): void {
    if (this.#session) this.#supply.dispose(this.#session.process);
    this.#session = null;
  }
}

/** Fills a folder with the scene's project, `localPath` in the place of the .blend. */
function withFile(scene: SceneFile, localPath: string): SceneFile['fill'] {
  return async (jobDir) => {
    await scene.fill(jobDir);
    const place = join(jobDir, scene.file);
    // What stands there may be a link to a cache that others read.
    await rm(place);
    await copyFile(localPath, place);
    await chmod(place, 0o444);
  };
}
