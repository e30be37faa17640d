import type { InspectionReport, RenderDevice } from '@pictor/protocol';
import {
  BakeResult,
  InspectResult,
  type OpenResult,
  OpenResult as OpenResultShape,
  RenderResult,
} from '../driver/driver-answers.ts';
import type { BlenderProcess } from './blender-process.ts';
import { MemoryGrowth } from './memory-growth.ts';
import { hasSameFiles, type SceneFile, type SceneToOpen } from './scene-to-open.ts';

/** A Blender with the files of one snapshot, and the scene that it has open. */
export class Session {
  readonly process: BlenderProcess;
  readonly files: SceneFile;
  framesRendered = 0;
  #open: { settings: string; facts: OpenResult } | null = null;
  #growth = new MemoryGrowth();

  constructor(process: BlenderProcess, files: SceneFile) {
    this.process = process;
    this.files = files;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  /** What the driver said about the open scene. */
  openScene(): OpenResult {
    if (!this.#open) throw new Error(`${this.files.file} is not open`);
    return this.#open.facts;
  }

  fits(scene: SceneFile): boolean {
    return !this.process.hasEnded && hasSameFiles(this.files, scene);
  }

  /**
   * Opens the scene with its settings; true where it was open with the very same. The file is loaded anew for other settings:
   * they are never applied on top of others, so that pixels are those of a fresh Blender.
   */
  async open(scene: SceneToOpen, device: RenderDevice): Promise<boolean> {
    const settings = JSON.stringify([scene.settings, scene.remaps]);
    if (this.#open?.settings === settings) return true;
    this.#forget();
    const command = { command: 'open', file: scene.file, remaps: scene.remaps, settings: scene.settings, device };
    scene.onOpening?.();
    const facts = await this.process.request(command, OpenResultShape, `opening ${scene.file}`);
    this.#open = { settings, facts };
    return false;
  }

  async inspect(scene: SceneFile): Promise<InspectionReport> {
    this.#forget();
    const command = { command: 'inspect', file: scene.file, remaps: scene.remaps };
    return await this.process.request(command, InspectResult, `inspecting ${scene.file}`);
  }

  /** The name of the baked file among the outputs. */
  async bake(scene: SceneFile): Promise<string> {
    this.#forget();
    const command = { command: 'bake', file: scene.file, remaps: scene.remaps };
    return (await this.process.request(command, BakeResult, `baking ${scene.file}`)).file;
  }

  async render(frame: { number: number; playFrom: number | null }): Promise<RenderResult> {
    const command = { command: 'render', frame: frame.number, playFrom: frame.playFrom };
    const result = await this.process.request(command, RenderResult, `rendering frame ${frame.number}`);
    this.framesRendered += 1;
    return result;
  }

  /** Whether a frame's memory says that this Blender should be replaced. */
  hasOutgrown(memoryBytes: number): boolean {
    return this.#growth.isOutgrownBy(memoryBytes);
  }

  #forget(): void {
    this.#open = null;
    this.framesRendered = 0;
    this.#growth = new MemoryGrowth();
  }
}
