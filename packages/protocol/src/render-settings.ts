import { z } from 'zod';
import { ProjectPath } from './snapshots.ts';

export const Engine = z.enum(['CYCLES', 'EEVEE', 'WORKBENCH']);
export type Engine = z.infer<typeof Engine>;

export const Device = z.enum(['CPU', 'GPU', 'GPU+CPU']);
export type Device = z.infer<typeof Device>;

export const OutputFormat = z.enum(['PNG', 'JPEG', 'OPEN_EXR', 'OPEN_EXR_MULTILAYER', 'TIFF', 'WEBP']);
export type OutputFormat = z.infer<typeof OutputFormat>;

/** Bits a channel that each format can hold; the first is its default. */
export const FORMAT_DEPTHS: Record<OutputFormat, readonly (8 | 16 | 32)[]> = {
  PNG: [8, 16],
  JPEG: [8],
  OPEN_EXR: [16, 32],
  OPEN_EXR_MULTILAYER: [16, 32],
  TIFF: [8, 16],
  WEBP: [8],
};

/** File ending that Blender gives each format. */
export const FORMAT_EXTENSIONS: Record<OutputFormat, string> = {
  PNG: '.png',
  JPEG: '.jpg',
  OPEN_EXR: '.exr',
  OPEN_EXR_MULTILAYER: '.exr',
  TIFF: '.tif',
  WEBP: '.webp',
};

export const Denoiser = z.enum(['OPENIMAGEDENOISE', 'OPTIX', 'NLM']);
export type Denoiser = z.infer<typeof Denoiser>;

/**
 * What the driver applies to the scene after loading it. Everything optional is "as the scene has it": a job without overrides
 * gives the pixels that `blender -b` would give.
 */
export const RenderSettings = z.object({
  /** The .blend within the snapshot. */
  file: ProjectPath,
  scene: z.string().optional(),
  camera: z.string().optional(),
  viewLayers: z.array(z.string()).optional(),
  engine: Engine.optional(),
  device: Device.optional(),
  samples: z.number().int().min(1).max(1_000_000).optional(),
  resolution: z
    .union([
      z.object({ percent: z.number().int().min(1).max(1000) }),
      z.object({ width: z.number().int().min(4).max(65_536), height: z.number().int().min(4).max(65_536) }),
    ])
    .optional(),
  format: z
    .object({ type: OutputFormat, depth: z.union([z.literal(8), z.literal(16), z.literal(32)]).optional() })
    .optional(),
  /** `off` switches denoising off for the render and for every view layer. */
  denoiser: z.literal('off').optional(),
  /** Render although files are missing (they were listed, the creator said go on). */
  allowMissing: z.boolean().default(false),
});
export type RenderSettings = z.infer<typeof RenderSettings>;

/** The three timeouts of a frame, in seconds: tell, collect evidence, kill and give the frame to another worker. */
export const Timeouts = z.object({
  alertSeconds: z.number().positive().optional(),
  analysisSeconds: z.number().positive().optional(),
  stopSeconds: z.number().positive().optional(),
});
export type Timeouts = z.infer<typeof Timeouts>;
