import { z } from 'zod';
import { Sha256 } from './ids.ts';
import { Denoiser, Engine } from './render-settings.ts';

/** One Blender on a worker: what it says it is, and what it really rendered when it was probed. */
export const BlenderBuild = z.object({
  path: z.string(),
  version: z.string(),
  sha256: Sha256,
  /** Engines that rendered a test picture here. */
  engines: z.array(Engine),
  /** Denoisers that denoised a test picture here. */
  denoisers: z.array(Denoiser),
  /** Engines of `engines` that need a display here (Xvfb inside the sandbox). */
  needsDisplay: z.array(Engine).optional(),
});
export type BlenderBuild = z.infer<typeof BlenderBuild>;

/** Something one Blender renders on: the CPU, or one graphics card. */
export const RenderDevice = z.object({
  deviceId: z.string(),
  kind: z.enum(['CPU', 'GPU']),
  name: z.string(),
  /** CUDA, OPTIX, HIP, ONEAPI, METAL for a GPU; null for the CPU. */
  backend: z.string().nullable(),
  memoryBytes: z.number().int().min(0),
});
export type RenderDevice = z.infer<typeof RenderDevice>;

/** How scenes are kept from the machine. `none` renders its owner's jobs only. */
export const SandboxLevel = z.enum(['bubblewrap', 'container', 'none']);

export const Capabilities = z.object({
  agentVersion: z.string(),
  platform: z.string(),
  cpuModel: z.string(),
  cpuThreads: z.number().int().min(1),
  memoryBytes: z.number().int().min(0),
  /** Free for the cache of content, within the agent's own bound. */
  diskFreeBytes: z.number().int().min(0),
  devices: z.array(RenderDevice).min(1),
  builds: z.array(BlenderBuild),
  sandbox: SandboxLevel,
  /** What is wrong with the sandbox here, for people; empty where it is whole. */
  sandboxProblems: z.array(z.string()),
});
export type Capabilities = z.infer<typeof Capabilities>;
