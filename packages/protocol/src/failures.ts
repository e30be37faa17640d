import { z } from 'zod';

/** Whose fault a failed attempt is: decides who is blamed and who may try next. */
export type Fault = 'scene' | 'worker' | 'network';

/**
 * Failures of renders are data, not exceptions: a closed list, each with whose fault it is and whether another worker may try
 * (design: "Failures carry a kind and whose fault").
 */
export const FAILURES = {
  'scene-invalid': { fault: 'scene', retryElsewhere: false, sentence: 'Blender could not open the scene.' },
  'input-missing': { fault: 'scene', retryElsewhere: false, sentence: 'A file that the scene needs is missing.' },
  'denoiser-missing': {
    fault: 'worker',
    retryElsewhere: true,
    sentence: 'This Blender has no denoiser of the wanted kind.',
  },
  'no-output': { fault: 'scene', retryElsewhere: true, sentence: 'Blender finished without writing the picture.' },
  'output-unreadable': {
    fault: 'worker',
    retryElsewhere: true,
    sentence: 'A file was written that cannot be decoded.',
  },
  'output-refused': {
    fault: 'scene',
    retryElsewhere: false,
    sentence: 'The scene left something other than regular files within the size limit as output.',
  },
  'blender-crashed': { fault: 'scene', retryElsewhere: true, sentence: 'Blender crashed.' },
  'blender-error': { fault: 'scene', retryElsewhere: true, sentence: 'Blender reported an error while rendering.' },
  'out-of-memory': { fault: 'scene', retryElsewhere: true, sentence: 'The frame needs more memory than allowed.' },
  'too-many-processes': {
    fault: 'scene',
    retryElsewhere: false,
    sentence: 'The scene started more processes than allowed.',
  },
  'disk-full': { fault: 'worker', retryElsewhere: true, sentence: 'The disk of the worker is full.' },
  'timed-out': { fault: 'scene', retryElsewhere: true, sentence: 'The frame took longer than the stop timeout.' },
  'no-progress': { fault: 'scene', retryElsewhere: true, sentence: 'Blender made no progress any more.' },
  'upload-failed': { fault: 'network', retryElsewhere: true, sentence: 'The frame could not be uploaded.' },
  'download-failed': {
    fault: 'network',
    retryElsewhere: true,
    sentence: 'The files of the job could not be downloaded.',
  },
  'device-unavailable': { fault: 'worker', retryElsewhere: true, sentence: 'The wanted render device is not usable.' },
  'worker-shutdown': { fault: 'worker', retryElsewhere: true, sentence: 'The agent was stopped.' },
} as const satisfies Record<string, { fault: Fault; retryElsewhere: boolean; sentence: string }>;

export const FailureKind = z.enum(Object.keys(FAILURES) as [keyof typeof FAILURES, ...(keyof typeof FAILURES)[]]);
export type FailureKind = keyof typeof FAILURES;
