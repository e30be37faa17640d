"""Renders one frame with all its files."""

import os
import time

import bpy

from failure import Failure
from open_scene import open_scene
from output_paths import clear_folder, frame_name, written_pictures


def render_frame(command, opened, folders):
    """Renders `command["frame"]`; with `playFrom`, after playing the frames from there in order without rendering them."""
    if opened is None:
        raise Failure("blender-error", "No scene is open.")
    frame = command["frame"]
    clear_folder(folders["out"])
    if command["playFrom"] is not None:
        play(opened, command["playFrom"], frame, folders)
    scene = opened.scene()
    # The operator takes the frame from the window's scene.
    opened.idle_scene().frame_float = frame
    scene.frame_float = frame
    scene.render.filepath = os.path.join(folders["out"], frame_name(frame))
    started = time.perf_counter()
    try:
        bpy.ops.render.render(write_still=True, scene=scene.name)
    except RuntimeError as error:
        raise failure_of(str(error)) from error
    return {
        "renderSeconds": time.perf_counter() - started,
        "pictures": written_pictures(scene),
        "fileOutputs": [{"folder": output.folder, "files": output.files} for output in opened.file_outputs],
    }


def play(opened, play_from, frame, folders):
    """Steps simulations up to the frame before `frame`, so that rendering it continues them."""
    if opened.played_to is not None and opened.played_to >= frame:
        fresh = open_scene(opened.command, folders)
        opened.__dict__.update(fresh.__dict__)
    first = play_from if opened.played_to is None else opened.played_to + 1
    for number in range(first, frame + 1):
        opened.scene().frame_set(number)
    opened.played_to = frame


def failure_of(message):
    message = message.removeprefix("Error: ").strip()
    lowered = message.lower()
    if "denois" in lowered:
        return Failure("denoiser-missing", f"Blender {bpy.app.version_string} cannot denoise here: {message}")
    if "no camera" in lowered:
        return Failure("scene-invalid", f"The scene has no camera: {message}")
    if "out of memory" in lowered:
        return Failure("out-of-memory", message)
    return Failure("blender-error", message)
