"""Saves one scene per attack: a registered text block, which Blender runs when the scene is opened with auto-execution on.

blender -b --factory-startup --python make_hostile_scenes.py -- '[{"path": "...", "code": "..."}, ...]'
"""

import json
import sys

import bpy

for scene in json.loads(sys.argv[-1]):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    text = bpy.data.texts.new("attack.py")
    text.write(scene["code"])
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=scene["path"], check_existing=False)
