"""Opens a file only to say what is in it."""

from open_scene import load_file


def inspect_file(command, folders):
    load_file(command["file"], command["remaps"], folders["job"])
    from inspect_scene import inspect

    return inspect(folders["job"])
