"""Writes the cards that Cycles sees to a JSON file: `blender -b --factory-startup --python list_devices.py -- FILE`."""

import json
import os
import sys

import bpy

BACKENDS = ("OPTIX", "CUDA", "HIP", "ONEAPI")


def cards():
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for backend in BACKENDS:
        try:
            preferences.compute_device_type = backend
        except TypeError:
            continue  # This build was made without it.
        preferences.get_devices()
        for device in preferences.devices:
            if device.type == backend:
                yield {"backend": backend, "id": device.id, "name": device.name}


with open(sys.argv[sys.argv.index("--") + 1], "w") as file:
    json.dump(list(cards()), file)
os._exit(0)
