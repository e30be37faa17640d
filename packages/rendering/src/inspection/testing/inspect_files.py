"""Inspects files: blender -b --factory-startup --disable-autoexec --python inspect_files.py -- REQUEST.json

REQUEST.json: [{file, root, remaps, picture}], written back with a `report` each; `picture`: also render the current frame there.
"""

import json
import os
import sys

import bpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from inspect_scene import inspect  # noqa: E402
from remap import remap  # noqa: E402

PATH = sys.argv[sys.argv.index("--") + 1]
with open(PATH, encoding="utf-8") as stream:
    REQUESTS = json.load(stream)
for request in REQUESTS:
    bpy.ops.wm.open_mainfile(filepath=request["file"], load_ui=False, use_scripts=False)
    remap(request["remaps"], request["root"])
    request["report"] = inspect(request["root"])
    if request["picture"]:
        bpy.context.scene.render.filepath = request["picture"]
        bpy.ops.render.render(write_still=True)
with open(PATH, "w", encoding="utf-8") as stream:
    json.dump(REQUESTS, stream)
