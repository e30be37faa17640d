"""Applies a job's settings to a scene; everything that is not given stays as the scene has it."""

import bpy

from compositor import compositor_nodes
from failure import Failure

MOVIE_FORMATS = {"AVI_JPEG", "AVI_RAW", "FFMPEG"}
ENGINES = {
    "CYCLES": ("CYCLES",),
    "EEVEE": ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"),
    "WORKBENCH": ("BLENDER_WORKBENCH",),
}
# What each file format of a job has as depth where none is asked for: the first of the protocol's list.
DEFAULT_DEPTHS = {"PNG": 8, "JPEG": 8, "OPEN_EXR": 16, "OPEN_EXR_MULTILAYER": 16, "TIFF": 8, "WEBP": 8}
WORKBENCH_SAMPLES = (5, 8, 11, 16, 32)


def apply_settings(scene, settings, device):
    apply_engine(scene, settings.get("engine"))
    apply_camera(scene, settings.get("camera"))
    apply_view_layers(scene, settings.get("viewLayers"))
    apply_resolution(scene, settings.get("resolution"))
    apply_samples(scene, settings.get("samples"))
    apply_format(scene, settings.get("format"))
    if settings.get("denoiser") == "off":
        turn_denoising_off(scene)
    if scene.render.engine == "CYCLES":
        apply_device(scene, settings.get("device"), device)
    render = scene.render
    render.use_file_extension = True
    render.use_overwrite = True
    render.use_placeholder = False
    # A creator's own number of threads is about their machine; it changes no pixel.
    render.threads_mode = "AUTO"


def apply_engine(scene, engine):
    if engine is None:
        return
    for identifier in ENGINES[engine]:
        try:
            scene.render.engine = identifier
            return
        except TypeError:
            continue
    raise Failure("device-unavailable", f"Blender {bpy.app.version_string} has no engine {engine}.")


def apply_camera(scene, name):
    if name is None:
        return
    camera = scene.objects.get(name)
    if camera is None or camera.type != "CAMERA":
        known = ", ".join(other.name for other in scene.objects if other.type == "CAMERA")
        raise Failure("scene-invalid", f"The scene {scene.name!r} has no camera {name!r}. It has: {known or 'none'}.")
    scene.camera = camera
    # A marker would switch to its own camera at the next frame.
    for marker in scene.timeline_markers:
        marker.camera = None


def apply_view_layers(scene, names):
    if names is None:
        return
    for name in names:
        if name not in scene.view_layers:
            known = ", ".join(layer.name for layer in scene.view_layers)
            raise Failure("scene-invalid", f"The scene {scene.name!r} has no view layer {name!r}. It has: {known}.")
    for layer in scene.view_layers:
        layer.use = layer.name in names


def apply_resolution(scene, resolution):
    if resolution is None:
        return
    if "percent" in resolution:
        scene.render.resolution_percentage = resolution["percent"]
    else:
        scene.render.resolution_x = resolution["width"]
        scene.render.resolution_y = resolution["height"]
        scene.render.resolution_percentage = 100


def apply_samples(scene, samples):
    if samples is None:
        return
    engine = scene.render.engine
    if engine == "CYCLES":
        scene.cycles.samples = samples
        for layer in scene.view_layers:
            layer.samples = 0
    elif engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = samples
    elif engine == "BLENDER_WORKBENCH":
        at_least = [step for step in WORKBENCH_SAMPLES if step >= samples]
        scene.display.render_aa = "OFF" if samples == 1 else str(at_least[0] if at_least else WORKBENCH_SAMPLES[-1])


def apply_format(scene, output_format):
    image = scene.render.image_settings
    if output_format is not None:
        set_file_format(image, output_format["type"])
        depth = output_format.get("depth") or DEFAULT_DEPTHS[output_format["type"]]
        image.color_depth = str(depth)
    elif image.file_format in MOVIE_FORMATS:
        set_file_format(image, "PNG")
        image.color_depth = "8"


def set_file_format(image, file_format):
    # Blender 5 offers the formats of the chosen medium only.
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE" if file_format == "OPEN_EXR_MULTILAYER" else "IMAGE"
    image.file_format = file_format


def turn_denoising_off(scene):
    if scene.render.engine == "CYCLES":
        # Before Blender 2.90 only view layers had the setting.
        for owner in [scene.cycles] + [layer.cycles for layer in scene.view_layers]:
            if hasattr(owner, "use_denoising"):
                owner.use_denoising = False
    for node, _ in compositor_nodes(scene):
        if node.type == "DENOISE":
            node.mute = True


def apply_device(scene, wanted, device):
    """Renders on the device that this Blender was started for; `wanted` is the job's CPU, GPU or GPU+CPU."""
    if device["kind"] == "CPU":
        if wanted not in (None, "CPU"):
            raise Failure("device-unavailable", f"The job wants {wanted}, this device is the CPU.")
        scene.cycles.device = "CPU"
        return
    if wanted == "CPU":
        scene.cycles.device = "CPU"
        return
    preferences = bpy.context.preferences.addons["cycles"].preferences
    try:
        preferences.compute_device_type = device["backend"]
    except TypeError as error:
        raise Failure("device-unavailable", f"This Blender has no {device['backend']}.") from error
    preferences.get_devices()
    cards = [entry for entry in preferences.devices if entry.type == device["backend"]]
    if not cards:
        raise Failure("device-unavailable", f"Blender sees no {device['backend']} device: {device['name']}.")
    # Only the leased card's nodes are in the sandbox; without one the card is chosen by its place on the bus.
    leased = [card for card in cards if device["deviceId"].removeprefix("gpu-").lower() in card.id.lower()] or cards
    for entry in preferences.devices:
        entry.use = entry in leased or (entry.type == "CPU" and wanted == "GPU+CPU")
    scene.cycles.device = "GPU"
