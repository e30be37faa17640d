import { FailureKind, type InspectionReport, InspectionReport as InspectionReportShape } from '@pictor/protocol';
import { z } from 'zod';

/*
 * Everything that comes from the driver comes from a process that a hostile scene may have taken over: it is believed in its
 * shape only, and no path in it is opened.
 */

const MAX_FOLDERS = 1000;
/** A folder directly below the output folder. */
const FolderName = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => !/[/\\\0]/.test(name) && name !== '.' && name !== '..', 'expected the name of a folder');

export const Ready = z.object({ event: z.literal('ready'), version: z.string().max(100) });

export const OpenResult = z.object({
  loadSeconds: z.number().min(0),
  scene: z.string().max(1000),
  engine: z.string().max(100),
  /** Of the main pictures, with its dot. */
  extension: z.string().regex(/^\.[a-z0-9]{1,8}$/),
  viewLayers: z.number().int().min(0).max(10_000),
  persistentData: z.boolean(),
  /** Why data is not kept from frame to frame, e.g. `hair`. */
  unsafeFeatures: z.array(z.string().max(100)).max(100),
});
export type OpenResult = z.infer<typeof OpenResult>;

export const RenderResult = z.object({
  renderSeconds: z.number().min(0),
  /** How many main pictures the frame has: one per view that is saved by itself. */
  pictures: z.number().int().min(1).max(1000),
  /** A folder per File Output node, and how many files the node must have left there. */
  fileOutputs: z.array(z.object({ folder: FolderName, files: z.number().int().min(0).max(1000) })).max(MAX_FOLDERS),
});
export type RenderResult = z.infer<typeof RenderResult>;

export const InspectResult: z.ZodType<InspectionReport> = InspectionReportShape;

/** Where the baked .blend is, below the output folder. */
export const BakeResult = z.object({ file: z.literal('baked.blend') });

export const Answer = z.discriminatedUnion('ok', [
  z.object({ id: z.number().int(), ok: z.literal(true), result: z.unknown() }),
  z.object({ id: z.number().int(), ok: z.literal(false), kind: FailureKind, message: z.string().max(100_000) }),
]);
