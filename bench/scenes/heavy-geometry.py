"""A scene whose frames cost geometry, not samples: blender -b --factory-startup --python heavy-geometry.py -- OUT.blend

Statues with a subdivision each of their own, so that nothing is shared, textured with images beside the file; only the camera moves. A
cold frame spends its time on modifiers, on handing meshes over and on the ray-tracing tree; the file itself stays small.
"""

import math
import os
import random
import sys

import bpy
from mathutils import Vector

OUT = sys.argv[sys.argv.index("--") + 1]
COLUMNS, ROWS = 6, 4
SUBDIVISIONS = 4
FRAMES = 8

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.preferences.filepaths.save_version = 0
random.seed(7)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 240, 135, 100
scene.cycles.samples, scene.cycles.max_bounces = 2, 2
scene.cycles.use_denoising = False
scene.cycles.use_adaptive_sampling = False
scene.frame_start, scene.frame_end = 1, FRAMES
scene.world = bpy.data.worlds.new("World")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.5, 0.6, 0.8, 1)


def textured_material(index):
    image = bpy.data.images.new(f"Grid {index}", 1024, 1024)
    image.generated_type, image.file_format = "COLOR_GRID", "PNG"
    # Files, because Cycles sometimes crashes when it fetches several generated images at a time.
    image.filepath_raw = os.path.join(os.path.dirname(OUT), f"grid-{index}.png")
    image.save()
    image.source = "FILE"
    material = bpy.data.materials.new(f"Stone {index}")
    material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


materials = [textured_material(index) for index in range(8)]
for number in range(COLUMNS * ROWS):
    column, row = number % COLUMNS, number // COLUMNS
    bpy.ops.mesh.primitive_monkey_add(size=1.6, location=(2.2 * (column - COLUMNS / 2 + 0.5), 2.2 * row, 0.8))
    statue = bpy.context.object
    statue.rotation_euler.z = random.uniform(-0.6, 0.6)
    for vertex in statue.data.vertices:
        vertex.co += 0.03 * Vector((random.random(), random.random(), random.random()))
    statue.modifiers.new("Subdivision", "SUBSURF").render_levels = SUBDIVISIONS
    statue.modifiers["Subdivision"].levels = 0
    statue.data.materials.append(materials[number % len(materials)])

bpy.ops.mesh.primitive_plane_add(size=80)
bpy.ops.object.light_add(type="SUN", rotation=(0.7, 0.2, 0))
bpy.context.object.data.energy = 3
bpy.ops.object.camera_add()
camera = scene.camera = bpy.context.object
for frame in range(1, FRAMES + 1):
    angle = math.radians(-20 + 40 * (frame - 1) / (FRAMES - 1))
    camera.location = (14 * math.sin(angle), 4 - 14 * math.cos(angle), 5)
    camera.rotation_euler = (Vector((0, 4, 0.5)) - camera.location).to_track_quat("-Z", "Y").to_euler()
    camera.keyframe_insert("location", frame=frame)
    camera.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=OUT, compress=True)
bpy.ops.file.make_paths_relative()
bpy.ops.wm.save_mainfile()
