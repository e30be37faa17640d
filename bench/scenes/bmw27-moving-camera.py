"""bmw27 as an animation: blender -b --factory-startup --python bmw27-moving-camera.py -- bmw27_cpu.blend OUT.blend

Nothing moves in the benchmark itself. Here its camera does: 240×135, 4 samples, frames 1–8, saved as a copy.
"""

import math
import sys

import bpy
from mathutils import Matrix

SOURCE, OUT = sys.argv[sys.argv.index("--") + 1 :]
FRAMES = 8

bpy.ops.wm.open_mainfile(filepath=SOURCE, load_ui=False)
bpy.context.preferences.filepaths.save_version = 0
scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 240, 135, 100
scene.cycles.samples = 4
scene.cycles.use_adaptive_sampling = False
scene.cycles.use_denoising = False
scene.render.image_settings.file_format = "PNG"
scene.frame_start, scene.frame_end = 1, FRAMES
camera = scene.camera
camera.constraints.clear()
start = camera.matrix_world.copy()
camera.parent = None
for frame in range(1, FRAMES + 1):
    turn = Matrix.Rotation(math.radians(1.5 * (frame - 1)), 4, "Z")
    camera.matrix_world = turn @ start
    camera.keyframe_insert("location", frame=frame)
    camera.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=OUT, compress=True)
