"""Renders one frame with all its files."""

import contextlib
import os
import time

import bpy

from failure import Failure
from open_scene import open_scene
from output_paths import clear_folder, written_with_format


def render_frame(command, opened, folders):
    """Renders `command["frame"]`; with `playFrom`, after playing the frames from there in order without rendering them."""
    if opened is None:
        raise Failure("blender-error", "No scene is open.")
    frame = command["frame"]
    if command["playFrom"] is not None:
        play(opened, command["playFrom"], frame, folders)
    clear_folder(folders["out"])
    scene = opened.scene()
    started = time.perf_counter()
    try:
        render_files(opened, frame, folders["out"])
    except RuntimeError as error:
        raise failure_of(str(error)) from error
    return {
        "renderSeconds": time.perf_counter() - started,
        "pictures": written_with_format(scene, scene.render.image_settings),
        "fileOutputs": [{"folder": output.folder, "files": output.files} for output in opened.file_outputs],
    }


def render_files(opened, frame, out_folder):
    if frame < 0:
        render_as_picture(opened.scene(), opened.idle_scene(), frame, out_folder)
    else:
        render_as_animation(opened.scene(), frame, out_folder)


def render_as_animation(scene, frame, out_folder):
    """What `-f` does. A single picture's render would miss animated colour management, and takes the subframe along."""
    whole_range = scene.frame_start, scene.frame_end

    def restore_range(*_):
        # Before anything is evaluated: drivers may read it.
        scene.frame_start, scene.frame_end = whole_range

    scene.render.filepath = os.path.join(out_folder, "####")
    bpy.app.handlers.render_init.append(restore_range)
    try:
        scene.frame_start = scene.frame_end = frame
        bpy.ops.render.render(animation=True, scene=scene.name)
    finally:
        restore_range()
        bpy.app.handlers.render_init.remove(restore_range)


def render_as_picture(scene, idle_scene, frame, out_folder):
    """For frames before 0, which no range of an animation can have. Setting the frame brings animated colour management along."""
    scene.frame_set(frame)
    # The operator takes the frame from the window's scene.
    idle_scene.frame_set(frame)
    scene.render.filepath = os.path.join(out_folder, "%.4d" % frame)
    bpy.ops.render.render(write_still=True, scene=scene.name)


def play(opened, play_from, frame, folders):
    """Renders the frames before `frame` as small as can be, so that simulations stand where rendering all of them leaves them.

    Setting the frame would step the simulations of the viewport, which are others; and they are lost where data is kept.
    """
    if opened.played_to is not None and opened.played_to >= frame:
        fresh = open_scene(opened.command, folders)
        opened.__dict__.update(fresh.__dict__)
    scene = opened.scene()
    scene.render.use_persistent_data = False
    first = play_from if opened.played_to is None else opened.played_to + 1
    with small_pictures(scene):
        for number in range(first, frame):
            render_files(opened, number, folders["out"])
    opened.played_to = frame


@contextlib.contextmanager
def small_pictures(scene):
    """Settings that make a frame cheap and change nothing in what is evaluated for it."""
    render = scene.render
    cheap = [
        (render, "resolution_x", 4),
        (render, "resolution_y", 4),
        (render, "resolution_percentage", 100),
        (render, "use_compositing", False),
        (render, "use_sequencer", False),
        (scene.cycles, "samples", 1),
        (scene.eevee, "taa_render_samples", 1),
    ]
    if hasattr(scene.cycles, "use_denoising"):
        cheap.append((scene.cycles, "use_denoising", False))
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in cheap]
    try:
        for owner, name, value in cheap:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


def failure_of(message):
    message = message.removeprefix("Error: ").strip()
    lowered = message.lower()
    if "denois" in lowered:
        return Failure("denoiser-missing", f"Blender {bpy.app.version_string} cannot denoise here: {message}")
    if "no camera" in lowered:
        return Failure("scene-invalid", f"The scene has no camera: {message}")
    if "no space left" in lowered:
        return Failure("output-refused", f"The files of the frame are larger than allowed: {message}")
    if "out of memory" in lowered:
        return Failure("out-of-memory", message)
    return Failure("blender-error", message)
