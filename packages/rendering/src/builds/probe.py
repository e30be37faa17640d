"""Runs inside a sandboxed Blender: renders a small test picture with each engine and denoiser named, and says which came out.

    blender -b --factory-startup --python probe.py -- --out DIR --engines CYCLES,EEVEE --denoisers OPENIMAGEDENOISE

Answers a JSON line on file descriptor 3 after each: an engine that brings Blender down is missing, those before it are not.
"""

import argparse
import json
import os
import sys

import bpy

IDENTIFIERS = {
    "CYCLES": ("CYCLES",),
    "EEVEE": ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"),
    "WORKBENCH": ("BLENDER_WORKBENCH",),
}
SIZE = 32
# Of 0..1: the test scene shows a lit cube before a grey background.
LEAST_CONTRAST = 0.05
LEAST_CHANGE = 0.001


def say(message):
    os.write(3, json.dumps(message).encode() + b"\n")


def parse_arguments():
    def names(text):
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(prog="probe.py")
    parser.add_argument("--out", required=True)
    parser.add_argument("--engines", type=names, required=True)
    parser.add_argument("--denoisers", type=names, default=[])
    return parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])


def prepare(scene):
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    scene.eevee.taa_render_samples = 1


def set_engine(scene, name):
    for identifier in IDENTIFIERS[name]:
        try:
            scene.render.engine = identifier
            return True
        except TypeError:
            continue
    return False


def picture(scene, path):
    """The pixels of a render, or None where Blender left no picture (it may say that all went well)."""
    scene.render.filepath = path
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return None
    if not os.path.isfile(path):
        return None
    image = bpy.data.images.load(path)
    pixels = list(image.pixels)
    bpy.data.images.remove(image)
    os.unlink(path)
    return pixels or None


def renders(scene, out, name):
    if not set_engine(scene, name):
        return False
    pixels = picture(scene, os.path.join(out, name + ".png"))
    if pixels is None:
        return False
    colours = [value for index, value in enumerate(pixels) if index % 4 != 3]
    return max(colours) - min(colours) >= LEAST_CONTRAST


def denoises(scene, out, name):
    set_engine(scene, "CYCLES")
    scene.cycles.use_denoising = False
    noisy = picture(scene, os.path.join(out, "noisy.png"))
    try:
        scene.cycles.denoiser = name
        if name == "OPTIX":
            use_cards(scene, "OPTIX")
    except TypeError:
        return False
    scene.cycles.use_denoising = True
    denoised = picture(scene, os.path.join(out, "denoised.png"))
    scene.cycles.use_denoising = False
    scene.cycles.device = "CPU"
    if noisy is None or denoised is None:
        return False
    return sum(abs(a - b) for a, b in zip(noisy, denoised)) / len(noisy) >= LEAST_CHANGE


def use_cards(scene, backend):
    preferences = bpy.context.preferences.addons["cycles"].preferences
    preferences.compute_device_type = backend
    preferences.get_devices()
    for device in preferences.devices:
        device.use = device.type == backend
    scene.cycles.device = "GPU"


def main():
    arguments = parse_arguments()
    scene = bpy.context.scene
    prepare(scene)
    say({"version": bpy.app.version_string})
    for name in arguments.denoisers:
        if denoises(scene, arguments.out, name):
            say({"denoiser": name})
    for name in arguments.engines:
        if renders(scene, arguments.out, name):
            say({"engine": name})
    say({"done": True})


main()
os._exit(0)
