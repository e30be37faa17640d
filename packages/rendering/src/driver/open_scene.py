"""Opens a scene so that its frames have the pixels that `blender -b` would give them."""

import os
import time

import bpy

from apply_settings import apply_settings
from failure import Failure
from missing_files import missing_files
from output_paths import redirect_file_outputs
from persistent_data import unsafe_features


class OpenedScene:
    """What the driver remembers of the scene it has open."""

    def __init__(self, command, scene, idle_scene):
        self.command = command
        self.scene_name = scene.name
        self.idle_scene_name = idle_scene.name
        self.file_outputs = []
        self.unsafe_features = []
        self.played_to = None
        self.load_seconds = 0.0

    def scene(self):
        return bpy.data.scenes[self.scene_name]

    def idle_scene(self):
        return bpy.data.scenes[self.idle_scene_name]

    def facts(self):
        scene = self.scene()
        return {
            "loadSeconds": self.load_seconds,
            "scene": scene.name,
            "engine": scene.render.engine,
            "extension": scene.render.file_extension,
            "viewLayers": sum(1 for layer in scene.view_layers if layer.use),
            "folders": [output.folder for output in self.file_outputs],
            "persistentData": scene.render.use_persistent_data,
            "unsafeFeatures": self.unsafe_features,
        }


def load_file(file, remaps, job_folder):
    """Loads the .blend and points its paths at the project's files; raises `scene-invalid`.

    Returns a function that puts back the paths as they were written.
    """
    path = os.path.join(job_folder, file)
    if not os.path.isfile(path):
        raise Failure("scene-invalid", f"The project has no file {file}.")
    try:
        outcome = bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise Failure("scene-invalid", f"Blender {bpy.app.version_string} cannot open {file}: {error}") from error
    if outcome != {"FINISHED"} or not os.path.samefile(bpy.data.filepath, path):
        raise Failure("scene-invalid", f"Blender {bpy.app.version_string} cannot open {file}.")
    from remap import remap

    return remap(remaps, job_folder)


def open_scene(command, folders):
    """Loads `command["file"]`, applies `command["settings"]` and `command["device"]`, and returns an OpenedScene."""
    started = time.perf_counter()
    settings = command["settings"]
    load_file(command["file"], command["remaps"], folders["job"])
    missing = [] if settings.get("allowMissing") else missing_files(folders["job"])
    if missing:
        listed = ", ".join(missing[:20]) + (f" and {len(missing) - 20} more" if len(missing) > 20 else "")
        raise Failure(
            "input-missing",
            f"{command['file']} needs files that the project has not: {listed}. Add them, or allow missing files.",
        )
    scene = chosen_scene(settings.get("scene"))
    idle_scene = show_idle_scene()
    opened = OpenedScene(command, scene, idle_scene)
    apply_settings(scene, settings, command["device"])
    opened.file_outputs = redirect_file_outputs(scene, folders["out"])
    opened.unsafe_features = unsafe_features(scene)
    for other in bpy.data.scenes:
        other.render.use_persistent_data = False
    scene.render.use_persistent_data = not opened.unsafe_features
    opened.load_seconds = time.perf_counter() - started
    return opened


def chosen_scene(name):
    if name is None:
        return bpy.context.window.scene
    scene = bpy.data.scenes.get(name)
    if scene is None:
        known = ", ".join(other.name for other in bpy.data.scenes)
        raise Failure("scene-invalid", f"The file has no scene {name!r}. It has: {known}.")
    return scene


def show_idle_scene():
    """Puts an empty scene into the window.

    After every render operator Blender evaluates the window's scene for the viewport, which `blender -b -f` does not: for
    animated geometry that is half of the work, and simulations would be stepped by both.
    """
    idle_scene = bpy.data.scenes.new("Pictor idle")
    bpy.context.window.scene = idle_scene
    return idle_scene
