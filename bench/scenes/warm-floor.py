"""The least that a warm Blender can take: blender -b FILE --python warm-floor.py -- FOLDER START END

Renders the frames one after the other with persistent data, as PNG, and does nothing else.
"""

import os
import sys

import bpy

FOLDER, START, END = sys.argv[sys.argv.index("--") + 1 :]
scene = bpy.context.scene
scene.render.use_persistent_data = True
scene.render.image_settings.file_format = "PNG"
for frame in range(int(START), int(END) + 1):
    scene.frame_set(frame)
    scene.render.filepath = os.path.join(FOLDER, f"{frame:04}.png")
    bpy.ops.render.render(write_still=True)
