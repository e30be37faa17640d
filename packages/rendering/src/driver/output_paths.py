"""Where the files of a frame go: the main pictures into the output folder, each File Output node into a folder of its own."""

import os
import re

import bpy

from compositor import compositor_nodes
from failure import Failure


class FileOutput:
    """A File Output node, the folder it was pointed at, and how many files it must write for a frame."""

    def __init__(self, node, folder, files):
        self.node_name = node.name
        self.folder = folder
        self.files = files


def redirect_file_outputs(scene, out_folder):
    """Points every File Output node into a folder of its own below `out_folder`; returns them as FileOutputs.

    Those of other scenes too, which strips of the sequencer may render; what they write is taken, but not asked for.
    """
    taken = set()
    outputs = []
    for other in [scene] + [other for other in bpy.data.scenes if other != scene]:
        for node, is_muted in compositor_nodes(other):
            if node.type != "OUTPUT_FILE":
                continue
            files = 0 if is_muted or other != scene else written_by_node(node, scene)
            outputs.append(redirect(node, files, out_folder, taken))
    return outputs


def redirect(node, files, out_folder, taken):
    if not hasattr(node, "base_path"):
        raise Failure("blender-error", "File Output nodes of this version of Blender are not supported yet.")
    folder = free_folder_name(node, taken)
    taken.add(folder.lower())
    target = os.path.join(out_folder, folder)
    if node.format.file_format == "OPEN_EXR_MULTILAYER":
        # Its base path is the beginning of the file's name.
        node.base_path = os.path.join(target, re.split(r"[/\\]", node.base_path)[-1])
    else:
        node.base_path = target + "/"
    return FileOutput(node, folder, files)


def written_by_node(node, scene):
    """How many files a File Output node leaves for a frame, at least."""
    if node.format.file_format == "OPEN_EXR_MULTILAYER":
        return 1
    formats = {}
    for slot, socket in zip(node.file_slots, node.inputs):
        if socket.is_linked:
            # Two slots of one name write one file.
            formats[slot.path] = node.format if slot.use_node_format else slot.format
    return sum(written_with_format(scene, image_format) for image_format in formats.values())


def free_folder_name(node, taken):
    """The node's label or name as a folder's name that no other node has."""
    name = re.sub(r"[^\w .()+-]", "_", node.label or node.name).strip(" .") or "File Output"
    name = name[:80]
    number = 2
    folder = name
    while folder.lower() in taken:
        folder = f"{name} {number}"
        number += 1
    return folder


def written_with_format(scene, image_format):
    """How many files one picture becomes: one, or one for each view of stereo and multi-view scenes."""
    if not scene.render.use_multiview or image_format.views_format != "INDIVIDUAL":
        return 1
    if scene.render.views_format == "STEREO_3D":
        return 2
    return max(1, sum(1 for view in scene.render.views if view.use))


def clear_folder(folder):
    """Removes what an earlier frame left and nobody took."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            clear_folder(entry.path)
        else:
            os.unlink(entry.path)
