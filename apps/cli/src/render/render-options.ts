import { parseFrames } from '@pictor/frames';
import {
  type CreateJob,
  FORMAT_DEPTHS,
  type OutputFormat,
  PictorError,
  type RenderSettings,
  type Timeouts,
} from '@pictor/protocol';

/** The options of `pictor render` as commander gives them. */
export interface RenderOptions {
  frames?: string;
  out: string;
  engine?: string;
  device?: string;
  samples?: string;
  resolution?: string;
  format?: string;
  camera?: string;
  scene?: string;
  viewLayer?: string[];
  framesPerNode?: string;
  agents?: string;
  blender?: string[];
  allowMissing?: boolean;
  denoiser?: string;
  sequential?: boolean;
  bake?: boolean;
  timeoutAlert?: string;
  timeoutAnalysis?: string;
  timeoutStop?: string;
  memoryLimit?: string;
  json?: boolean;
  project?: string;
  file?: string;
  server?: string;
  token?: string;
}

const ENGINES = { cycles: 'CYCLES', eevee: 'EEVEE', workbench: 'WORKBENCH' } as const;
const DEVICES = { cpu: 'CPU', gpu: 'GPU', 'gpu+cpu': 'GPU+CPU' } as const;
const FORMATS = {
  png: 'PNG',
  jpeg: 'JPEG',
  jpg: 'JPEG',
  openexr: 'OPEN_EXR',
  exr: 'OPEN_EXR',
  multilayer: 'OPEN_EXR_MULTILAYER',
  tiff: 'TIFF',
  tif: 'TIFF',
  webp: 'WEBP',
} as const;

/** What the options ask of the job, but for what depends on the uploaded project. */
export type JobOrder = Pick<CreateJob, 'frames' | 'framesPerNode' | 'sequential'> & {
  /** Have simulations baked before the job is made. */
  bake: boolean;
  settings: Omit<RenderSettings, 'file'>;
  timeouts: Timeouts;
  memoryLimitBytes: number | null;
};

/**
 * Reads the options of a render.
 *
 * @throws PictorError `settings-invalid` or one of the frames' codes, naming the option and what it takes
 */
export function readRenderOptions(options: RenderOptions): JobOrder {
  if (options.frames !== undefined) parseFrames(options.frames);
  if (options.bake && options.sequential) {
    throw new PictorError(
      'settings-invalid',
      'Choose one of --bake (all agents render, from a baked copy of the scene) and --sequential (one agent plays the scene).',
    );
  }
  return {
    frames: options.frames,
    framesPerNode: wholeNumber('--frames-per-node', options.framesPerNode, 1, 10_000),
    sequential: options.sequential ?? false,
    bake: options.bake ?? false,
    settings: {
      scene: options.scene,
      camera: options.camera,
      viewLayers: options.viewLayer,
      engine: oneOf('--engine', options.engine, ENGINES),
      device: oneOf('--device', options.device, DEVICES),
      samples: wholeNumber('--samples', options.samples, 1, 1_000_000),
      resolution: options.resolution === undefined ? undefined : readResolution(options.resolution),
      format: options.format === undefined ? undefined : readFormat(options.format),
      denoiser: oneOf('--denoiser', options.denoiser, { off: 'off' }),
      allowMissing: options.allowMissing ?? false,
    },
    timeouts: {
      alertSeconds: minutes('--timeout-alert', options.timeoutAlert),
      analysisSeconds: minutes('--timeout-analysis', options.timeoutAnalysis),
      stopSeconds: minutes('--timeout-stop', options.timeoutStop),
    },
    memoryLimitBytes: readMemoryLimit(options.memoryLimit),
  };
}

/** Agents of an embedded network. */
export function readAgents(text: string | undefined, fallback: number, least: number): number {
  return wholeNumber('--agents', text, least, 64) ?? fallback;
}

function readResolution(text: string): NonNullable<RenderSettings['resolution']> {
  const percent = /^(\d{1,4})\s*%$/.exec(text.trim());
  if (percent) {
    const value = Number(percent[1]);
    if (value >= 1 && value <= 1000) return { percent: value };
  }
  const size = /^(\d{1,6})\s*[x×X]\s*(\d{1,6})$/.exec(text.trim());
  if (size) {
    const [width, height] = [Number(size[1]), Number(size[2])];
    if (Math.min(width, height) >= 4 && Math.max(width, height) <= 65_536) return { width, height };
  }
  throw invalid(
    '--resolution',
    text,
    'a percentage like 50% (1 to 1000), or a size like 1920x1080 (4 to 65536 pixels each)',
  );
}

function readFormat(text: string): NonNullable<RenderSettings['format']> {
  const [name = '', depthText, ...rest] = text.toLowerCase().split(':');
  const type = (FORMATS as Record<string, OutputFormat>)[name];
  if (!type || !Object.hasOwn(FORMATS, name) || rest.length > 0) {
    throw invalid(
      '--format',
      text,
      'png, jpeg, openexr, multilayer, tiff or webp, with a depth like png:16 where wanted',
    );
  }
  if (depthText === undefined) return { type };
  const depth = FORMAT_DEPTHS[type].find((each) => String(each) === depthText);
  if (depth === undefined) {
    throw invalid(
      '--format',
      text,
      `one of ${FORMAT_DEPTHS[type].map((each) => `${name}:${each}`).join(', ')}: the bits a channel it can hold`,
    );
  }
  return { type, depth };
}

function readMemoryLimit(text: string | undefined): number | null {
  if (text === undefined) return null;
  const gigabytes = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || gigabytes < 0.1 || gigabytes > 10_000) {
    throw invalid('--memory-limit', text, 'gigabytes like 8 or 0.5');
  }
  return Math.round(gigabytes * 1024 ** 3);
}

function minutes(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 1_000_000)
    throw invalid(option, text, 'minutes above 0, like 10 or 0.5');
  return value * 60;
}

function wholeNumber(option: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw invalid(option, text, `a whole number from ${least} to ${most}`);
  return value;
}

function oneOf<T>(option: string, text: string | undefined, choices: Record<string, T>): T | undefined {
  if (text === undefined) return undefined;
  const key = text.toLowerCase();
  if (!Object.hasOwn(choices, key)) throw invalid(option, text, Object.keys(choices).join(', '));
  return choices[key];
}

function invalid(option: string, given: string, takes: string): PictorError {
  return new PictorError('settings-invalid', `${option} takes ${takes}; not ${JSON.stringify(given.slice(0, 80))}.`);
}
