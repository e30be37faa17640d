import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { InspectTask, Lease, SnapshotManifest } from '@pictor/protocol';
import type { ExampleProject } from '../../../../examples/scenes.ts';
import type { TestServer } from './test-server.ts';

/** SHA-256 of the first Blender build that the agent announced. */
export function announcedBuild(server: TestServer): string {
  for (const message of server.received) {
    if (message.type === 'capabilities' && message.capabilities.builds[0] !== undefined) {
      return message.capabilities.builds[0].sha256;
    }
  }
  throw new Error('The agent announced no Blender: install one to run this test.');
}

/** Puts a project's files on the server, and returns its manifest. */
export async function uploadProject(server: TestServer, project: ExampleProject): Promise<SnapshotManifest> {
  const entries = await readdir(project.root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.map(async (path) => server.addFile(relative(project.root, path), await readFile(path))),
  );
  return { files, remaps: [] };
}

let leases = 0;

/** A lease over some frames of a project; ids are new for each call. */
export async function leaseOf(
  server: TestServer,
  project: ExampleProject,
  frames: number[],
  overrides: Partial<Omit<Lease, 'settings'>> & { settings?: Partial<Lease['settings']> } = {},
): Promise<Lease> {
  leases += 1;
  const number = String(leases).padStart(4, '0');
  const lease = {
    leaseId: `lse_0000${number}`,
    token: `token-${number}`,
    jobId: 'job_00000001',
    deviceId: 'cpu',
    durationSeconds: 60,
    snapshotId: 'snp_00000001',
    manifest: await uploadProject(server, project),
    frames: frames.map((frame, position) => ({
      frameId: `frm_${number}${String(position).padStart(4, '0')}`,
      attemptId: `att_${number}${String(position).padStart(4, '0')}`,
      number: frame,
    })),
    playFrom: null,
    timeouts: {},
    memoryLimitBytes: null,
    blenderSha256: announcedBuild(server),
    ownerId: 'operator',
    grant: 'grant',
    ...overrides,
    settings: { file: project.file, allowMissing: false, ...overrides.settings },
  };
  return lease as Lease;
}

/** A task to inspect a project's .blend. */
export async function inspectionOf(server: TestServer, project: ExampleProject): Promise<InspectTask> {
  const task = {
    inspectionId: 'ins_00000001',
    snapshotId: 'snp_00000001',
    manifest: await uploadProject(server, project),
    file: project.file,
    ownerId: 'operator',
    blenderSha256: announcedBuild(server),
    grant: 'grant',
  };
  return task as InspectTask;
}
