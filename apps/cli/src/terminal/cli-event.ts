import type { InspectionReport } from '@pictor/protocol';

/** What commands report while they work; with --json each is one line on stdout. */
export type CliEvent =
  | { event: 'note'; message: string }
  | { event: 'warning'; message: string }
  | { event: 'network'; url: string; embedded: boolean }
  | { event: 'restarted'; program: string; reason: string }
  | { event: 'upload'; sentBytes: number; totalBytes: number }
  | { event: 'uploaded'; snapshotId: string; files: number; totalBytes: number; sentBytes: number; seconds: number }
  | { event: 'inspection'; inspectionId: string; report: InspectionReport }
  | { event: 'baking'; simulations: { kind: string; object: string }[] }
  | { event: 'baked'; snapshotId: string; seconds: number }
  | { event: 'job'; jobId: string; name: string; frames: string; frameCount: number }
  | { event: 'job-changed'; jobId: string; status: string; reason: string | null }
  | {
      event: 'frame';
      jobId: string;
      number: number;
      status: string;
      worker: string | null;
      renderSeconds: number | null;
      message: string | null;
    }
  | { event: 'alert'; jobId: string; number: number; level: 'alert' | 'analysis'; evidence: string }
  | {
      event: 'progress';
      jobId: string;
      done: number;
      failed: number;
      total: number;
      /** Frames in work, each with how far it is (0..1). */
      rendering: { number: number; worker: string; phase: string; fraction: number }[];
      framesPerMinute: number | null;
      secondsLeft: number | null;
    }
  | { event: 'downloaded'; jobId: string; path: string; sizeBytes: number }
  | {
      event: 'finished';
      jobId: string;
      status: string;
      succeeded: number;
      failed: number;
      files: number;
      out: string;
      seconds: number;
    };

export type Report = (event: CliEvent) => void;
