import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateJob, type SnapshotId } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from './network.ts';
import { inspect, uploadProject } from './upload-project.ts';

/*
 * Projects that others made, as users have them. They lie beside the clone on some machines only.
 */

const scenes = join(import.meta.dirname, '../../shared/scenes');
const run = promisify(execFile);

/** Project, .blend, frame, samples: small enough for two cores, each with something the others have not. */
const rows: [project: string, file: string, frame: number, why: string][] = [
  ['multi-file', 'scenes/01_principled_material_280.blend', 1, 'textures beside it, a library, a missing environment'],
  ['multi-file', 'scenes/02_suzanne.blend', 1, 'a linked library'],
  ['multi-file', 'scenes/03_animated_cube.blend', 7, 'animation'],
  ['multi-file', 'scenes/06_parent-inverse-anim.blend', 0, 'frame 0'],
  ['multi-file', 'scenes/12_anim_range_driver.blend', 5, 'a driver'],
  ['eevee', 'moving-cube.blend', 20, 'EEVEE'],
  ['bmw27', 'bmw27_cpu.blend', 3, 'saved by 2.76'],
];

describe.skipIf(!existsSync(scenes))('real projects (skipped where shared/scenes is not beside the clone)', () => {
  let folder: string;
  let network: Network;
  const snapshots = new Map<string, SnapshotId>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pictor-real-projects-'));
    network = await startNetwork({ agents: 1 });
  }, 120_000);

  afterAll(async () => {
    await network.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Uploads a project once; its scenes are inspected one by one. */
  async function prepare(project: string, file: string) {
    const snapshotId = snapshots.get(project);
    if (snapshotId !== undefined) return { snapshotId, ...(await inspect(network.client, snapshotId, file)) };
    const prepared = await uploadProject(network.client, join(scenes, project), file);
    snapshots.set(project, prepared.snapshotId);
    return prepared;
  }

  it.each(rows)(
    '%s/%s, frame %i has the pixels of blender -b: %s',
    async (project, file, frame) => {
      const { snapshotId, inspectionId, report } = await prepare(project, file);
      const scene = report.scenes.find(({ name }) => name === report.activeScene);
      const job = await network.client.createJob({
        body: CreateJob.parse({
          name: file,
          snapshotId,
          inspectionId,
          frames: String(frame),
          settings: {
            file,
            resolution: { width: 96, height: 54 },
            samples: 4,
            format: { type: 'PNG', depth: 16 },
            allowMissing: true,
            ...(scene?.usesDenoiser ? { denoiser: 'off' } : {}),
          },
        }),
      });
      for await (const event of network.client.events({ jobId: job.jobId })) {
        const { status, statusReason } = await network.client.getJob({ params: { jobId: job.jobId } });
        if (status === 'completed') break;
        expect(status, `${statusReason} ${JSON.stringify(event)}`).toBe('rendering');
      }
      const { outputs } = await network.client.listOutputs({ params: { jobId: job.jobId } });
      expect(outputs.map((output) => output.path)).toEqual([`${String(frame).padStart(4, '0')}.png`]);
      const ours = join(folder, 'ours.png');
      await network.client.downloadOutput(outputs[0]?.outputId as string, ours);

      const reference = join(folder, `${frame}-${file.replaceAll('/', '-')}`);
      await mkdir(reference, { recursive: true });
      await renderByBlender(join(scenes, project, file), reference, frame);
      await run('oiiotool', [ours, join(reference, `${String(frame).padStart(4, '0')}.png`), '--diff']);
    },
    180_000,
  );

  it('names the texture that 01_missing_textures lacks', async () => {
    const { report } = await prepare('multi-file', 'scenes/01_missing_textures.blend');
    expect(report.references.filter((reference) => reference.status === 'missing')).not.toEqual([]);
  });
});

async function renderByBlender(file: string, out: string, frame: number): Promise<void> {
  const settings = [
    'import bpy',
    's = bpy.context.scene',
    's.render.resolution_x, s.render.resolution_y, s.render.resolution_percentage = 96, 54, 100',
    's.cycles.samples = 4',
    's.cycles.use_denoising = False',
    's.eevee.taa_render_samples = 4',
    's.render.image_settings.file_format, s.render.image_settings.color_depth = "PNG", "16"',
    '[setattr(l, "samples", 0) for l in s.view_layers]',
  ].join('\n');
  const blender = ['blender', '-b', '--factory-startup', '--disable-autoexec', file, '--python-expr', settings];
  await run('xvfb-run', ['-a', ...blender, '-o', join(out, '####'), '-x', '1', '-f', String(frame)], {
    maxBuffer: 2 ** 26,
  });
}
