"""Bakes the simulations of a file and leaves it as a new .blend in the output folder."""

import os

import bpy

from open_scene import load_file

BAKED_FILE = "baked.blend"


def bake_file(command, folders):
    restore_paths = load_file(command["file"], command["remaps"], folders["job"])
    from bake import bake

    bake()
    restore_paths()
    # Relative paths stay as they are: the file takes the place of the one it was made from.
    path = os.path.join(folders["out"], BAKED_FILE)
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True, relative_remap=False, compress=True)
    return {"file": BAKED_FILE}
