import type { Connection } from '../network/connect.ts';
import type { Report } from '../terminal/cli-event.ts';
import { unlessAborted } from '../terminal/interruption.ts';
import type { ProjectFiles } from './project-files.ts';

/** Sends what of the project the server lacks, and commits the snapshot. Returns its id. */
export async function uploadProject(options: {
  client: Connection['client'];
  project: ProjectFiles;
  report: Report;
  signal: AbortSignal;
}): Promise<string> {
  const { client, project, report, signal } = options;
  const started = performance.now();
  let sentBytes = 0;
  const files = await client.uploadFiles(project.files, {
    signal,
    onProgress: (progress) => {
      sentBytes = progress.sentBytes;
      report({ event: 'upload', sentBytes: progress.doneBytes, totalBytes: progress.totalBytes });
    },
  });
  const { snapshotId } = await unlessAborted(
    client.createSnapshot({ body: { files, remaps: project.remaps } }),
    signal,
  );
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const seconds = (performance.now() - started) / 1000;
  report({ event: 'uploaded', snapshotId, files: files.length, totalBytes, sentBytes, seconds });
  return snapshotId;
}
