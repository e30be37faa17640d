"""A scene whose frames cost samples, not loading: blender -b --factory-startup --python sampling-bound.py -- OUT.blend

A handful of glossy and glass solids with many samples; nothing moves but one of them.
"""

import math
import sys

import bpy

OUT = sys.argv[sys.argv.index("--") + 1]
FRAMES = 3
SAMPLES = 350

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.preferences.filepaths.save_version = 0
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 180, 100
scene.cycles.samples, scene.cycles.max_bounces = SAMPLES, 8
scene.cycles.use_denoising = False
scene.cycles.use_adaptive_sampling = False
scene.frame_start, scene.frame_end = 1, FRAMES
scene.world = bpy.data.worlds.new("World")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.6, 0.7, 0.9, 1)


def material(name, colour, roughness, transmission=0.0):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = colour
    shader.inputs["Roughness"].default_value = roughness
    # Renamed in Blender 4.0.
    shader.inputs["Transmission" if "Transmission" in shader.inputs else "Transmission Weight"].default_value = transmission
    return made


bpy.ops.mesh.primitive_plane_add(size=30)
bpy.context.object.data.materials.append(material("Floor", (0.6, 0.6, 0.6, 1), 0.5))
for number in range(7):
    angle = math.tau * number / 7
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.8, location=(2.4 * math.cos(angle), 2.4 * math.sin(angle), 0.8))
    bpy.ops.object.shade_smooth()
    colour = (0.9, 0.3 + 0.1 * number, 0.2, 1)
    bpy.context.object.data.materials.append(material(f"Ball {number}", colour, 0.1, 1.0 if number % 2 else 0.0))
bpy.ops.mesh.primitive_cube_add(size=1.4, location=(0, 0, 0.7))
bpy.context.object.data.materials.append(material("Cube", (0.2, 0.4, 0.9, 1), 0.2))
bpy.context.object.keyframe_insert("rotation_euler", frame=1)
bpy.context.object.rotation_euler.z = 1
bpy.context.object.keyframe_insert("rotation_euler", frame=FRAMES)
bpy.ops.object.light_add(type="AREA", location=(4, -4, 6), rotation=(0.7, 0, 0.8))
bpy.context.object.data.energy, bpy.context.object.data.size = 600, 4
bpy.ops.object.camera_add(location=(0, -8, 4.5), rotation=(math.radians(62), 0, 0))
scene.camera = bpy.context.object
bpy.ops.wm.save_as_mainfile(filepath=OUT, compress=True)
