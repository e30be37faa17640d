"""Runs inside a sandboxed Blender and does what the agent says: open a scene, render a frame, inspect, bake.

    blender -b --factory-startup --disable-autoexec --python driver.py -- --job DIR --out DIR --inspection DIR

Every command `{id, command, ...}` gets one answer `{id, ok: true, result}` or `{id, ok: false, kind, message}`.
"""

import argparse
import os
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bpy  # noqa: E402

from bake_file import bake_file  # noqa: E402
from channel import Channel  # noqa: E402
from failure import Failure  # noqa: E402
from inspect_file import inspect_file  # noqa: E402
from open_scene import open_scene  # noqa: E402
from render_frame import render_frame  # noqa: E402
from warm_up import warm_up  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(prog="driver.py")
    parser.add_argument("--job", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--inspection", required=True)
    return parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])


def serve(arguments):
    channel = Channel()
    folders = {"job": arguments.job, "out": arguments.out}
    opened = None
    try:
        warm_up(folders["out"])
    except Exception:
        # A Blender without Cycles still renders with its other engines.
        traceback.print_exc()
    channel.write({"event": "ready", "version": bpy.app.version_string})
    while True:
        command = channel.read()
        if command is None:
            return
        answer = {"id": command["id"], "ok": True}
        try:
            if command["command"] == "open":
                opened = None
                opened = open_scene(command, folders)
                answer["result"] = opened.facts()
            elif command["command"] == "render":
                answer["result"] = render_frame(command, opened, folders)
            elif command["command"] == "inspect":
                opened = None
                answer["result"] = inspect_file(command, folders)
            elif command["command"] == "bake":
                opened = None
                answer["result"] = bake_file(command, folders)
            else:
                raise Failure("blender-error", "The driver knows no command " + repr(command["command"]) + ".")
        except Failure as failure:
            answer = {"id": command["id"], "ok": False, "kind": failure.kind, "message": failure.message}
        except MemoryError:
            message = "Blender had no memory left."
            answer = {"id": command["id"], "ok": False, "kind": "out-of-memory", "message": message}
        except Exception as error:
            traceback.print_exc()
            message = type(error).__name__ + ": " + str(error)
            answer = {"id": command["id"], "ok": False, "kind": "blender-error", "message": message}
        # What the scene printed belongs to the frame that is answered now.
        sys.stdout.flush()
        sys.stderr.flush()
        channel.write(answer)


ARGUMENTS = parse_arguments()
sys.path.insert(1, ARGUMENTS.inspection)
try:
    serve(ARGUMENTS)
finally:
    # Blender would otherwise free the whole scene first, and quit with the exit code of its last render.
    os._exit(0)
