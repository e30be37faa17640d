"""Loads what every first Cycles render loads (kernels, thread pools, the PNG writer), while nobody waits for it."""

import os

import bpy


def warm_up(out_folder):
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 4
    scene.render.filepath = os.path.join(out_folder, "warm-up.png")
    bpy.ops.render.render(write_still=True)
    os.unlink(scene.render.filepath)
