"""Where the files of a frame go: the main pictures into the output folder, each File Output node into a folder of its own."""

import os
import re

from failure import Failure


class FileOutput:
    """A File Output node, the folder it was pointed at, and how many files it writes for a frame."""

    def __init__(self, node, folder, files):
        self.node_name = node.name
        self.folder = folder
        self.files = files


def frame_name(frame):
    """`0001` as Blender fills `####`: five digits grow, a minus comes before the zeros."""
    return "%.4d" % frame


def redirect_file_outputs(scene, out_folder):
    """Points every File Output node of the scene's compositor into `out_folder`; returns them as FileOutputs."""
    if not scene.render.use_compositing or not scene.use_nodes or scene.node_tree is None:
        return []
    outputs = []
    taken = set()
    views = written_views(scene)
    for node in file_output_nodes(scene.node_tree, set()):
        if not hasattr(node, "base_path"):
            raise Failure("blender-error", "File Output nodes of this version of Blender are not supported yet.")
        folder = free_folder_name(node, taken)
        taken.add(folder.lower())
        target = os.path.join(out_folder, folder)
        if node.format.file_format == "OPEN_EXR_MULTILAYER":
            # Its base path is the beginning of the file's name.
            node.base_path = os.path.join(target, re.split(r"[/\\]", node.base_path)[-1])
            files = 1
        else:
            node.base_path = target + "/"
            slots = {slot.path for slot, socket in zip(node.file_slots, node.inputs) if socket.is_linked}
            files = len(slots)
            if node.format.views_format == "INDIVIDUAL" or any(not slot.use_node_format for slot in node.file_slots):
                files = len(slots) * (views if node.format.views_format == "INDIVIDUAL" else 1)
        if node.mute:
            files = 0
        outputs.append(FileOutput(node, folder, files))
    return outputs


def file_output_nodes(tree, seen):
    """Every File Output node of a node tree and the groups in it, in order."""
    if tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.type == "OUTPUT_FILE":
            yield node
        elif node.type == "GROUP" and node.node_tree is not None:
            yield from file_output_nodes(node.node_tree, seen)


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


def written_views(scene):
    """How many pictures the views of a frame make."""
    if not scene.render.use_multiview:
        return 1
    if scene.render.views_format == "STEREO_3D":
        return 2
    return max(1, sum(1 for view in scene.render.views if view.use))


def written_pictures(scene):
    """How many main pictures a frame has."""
    if scene.render.use_multiview and scene.render.image_settings.views_format == "INDIVIDUAL":
        return written_views(scene)
    return 1


def clear_folder(folder):
    """Removes what an earlier frame left and nobody took."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            clear_folder(entry.path)
        else:
            os.unlink(entry.path)
