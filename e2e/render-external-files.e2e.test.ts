import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntilNothingRuns } from './left-running.ts';

const run = promisify(execFile);
const launcher = join(import.meta.dirname, '..', 'pictor');

/** A scene in `shot/` with a texture named by its absolute path, and a library named by a path that leaves the folder. */
const MAKE = `
import bpy, os, sys
root = sys.argv[-1]
for name in ("shot", "stock/textures", "library"):
    os.makedirs(os.path.join(root, name))
bpy.ops.wm.read_factory_settings()
bpy.data.objects["Cube"].name = "Prop"
prop = bpy.data.objects["Prop"]
material = bpy.data.materials.new("Tinted")
material.diffuse_color = (1, 0, 0, 1)
material.use_nodes = True
material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.8, 0.1, 0.1, 1)
prop.data.materials[0] = material
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(root, "library", "prop.blend"))

bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 2
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 64, 36
image = bpy.data.images.new("grid", 32, 32)
image.generated_type = "COLOR_GRID"
image.filepath_raw = os.path.join(root, "stock/textures", "grid.png")
image.file_format = "PNG"
image.save()
image.source = "FILE"
material = bpy.data.materials.new("Grid")
material.use_nodes = True
texture = material.node_tree.nodes.new("ShaderNodeTexImage")
texture.image = image
material.node_tree.links.new(texture.outputs["Color"], material.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
bpy.data.objects["Cube"].data.materials[0] = material
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(root, "shot", "shot.blend"))
with bpy.data.libraries.load(os.path.join(root, "library", "prop.blend"), link=True, relative=True) as (there, here):
    here.objects = ["Prop"]
prop = bpy.data.objects.new("Placed", here.objects[0].data)
prop.location = (2, 2, 0)
scene.collection.objects.link(prop)
bpy.ops.wm.save_mainfile(relative_remap=False)
`;

describe('pictor render of a lone .blend', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pictor-external-'));
    await run('blender', ['-b', '--factory-startup', '--python-expr', MAKE, '--', join(folder, 'work')]);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('brings what it names by absolute paths and outside of its folder', async () => {
    const work = join(folder, 'work');
    await mkdir(join(folder, 'reference'));
    const reference = ['-o', join(folder, 'reference', '####'), '-F', 'PNG', '-x', '1', '-f', '1'];
    await run('blender', ['-b', '--factory-startup', join(work, 'shot/shot.blend'), ...reference]);
    const out = join(folder, 'frames');
    const { stdout } = await run(
      launcher,
      ['render', join(work, 'shot/shot.blend'), '--frames', '1', '--out', out, '--json'],
      { env: { ...process.env, PICTOR_HOME: join(folder, 'home'), PICTOR_SERVER: '' } },
    );
    expect(stdout).toContain('"event":"finished"');
    await run('oiiotool', [join(out, '0001.png'), join(folder, 'reference/0001.png'), '--diff']);
    // The comparison means something only where the files are seen in the picture: without them Blender paints it magenta.
    await rename(join(work, 'stock'), join(work, 'gone'));
    await mkdir(join(folder, 'without'));
    reference[1] = join(folder, 'without', '####');
    await run('blender', ['-b', '--factory-startup', join(work, 'shot/shot.blend'), ...reference]);
    await expect(
      run('oiiotool', [join(out, '0001.png'), join(folder, 'without/0001.png'), '--diff']),
    ).rejects.toThrow();
    expect(await waitUntilNothingRuns(folder)).toEqual([]);
  });
});
