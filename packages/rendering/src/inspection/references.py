"""Every path to a file that the open .blend holds, linked data-blocks included.

`inspect_scene` reports them, `remap` rewrites them: both walk the same list, so what is reported can be remapped.
"""

import collections
import os
import posixpath
import re

import bpy

# owner, attribute: where the path is written, to change it; library: the bpy Library whose .blend holds it, or None.
# pattern: None | 'sequence' (the path names one of numbered files) | 'tiles' (holds a UDIM token) | 'folder' (all files in it).
# element: for strips, whose attribute is a folder: the file in it.
FilePath = collections.namedtuple("FilePath", "kind name path owner attribute library pattern element")

BUILTIN_FONT = "<builtin>"
TILE_TOKENS = ("<UDIM>", "<UVTILE>")
MAX_EXPANDED = 100_000


def file_paths():
    """Yields a FilePath for each file that the open .blend refers to. Packed files are no references."""
    yield from _libraries()
    yield from _data_blocks()
    yield from _sequencers()
    yield from _objects()
    yield from _nodes()


def _path(kind, block, path, owner, attribute, pattern=None, element=None, name=None):
    return FilePath(kind, name or block.name, path, owner, attribute, getattr(block, "library", None), pattern, element)


def _libraries():
    for library in bpy.data.libraries:
        if not library.packed_file and not getattr(library, "is_archive", False):
            # Blender rewrites the path of a nested library relative to the main file, so no library is its holder.
            yield FilePath("library", library.name, library.filepath, library, "filepath", None, None, None)


def _data_blocks():
    for image in bpy.data.images:
        packed = image.packed_file or len(getattr(image, "packed_files", ())) > 0
        if image.source not in {"FILE", "SEQUENCE", "MOVIE", "TILED"} or packed or not image.filepath:
            continue
        pattern = {"SEQUENCE": "sequence", "TILED": "tiles"}.get(image.source)
        yield _path("movie" if image.source == "MOVIE" else "image", image, image.filepath, image, "filepath", pattern)
    for clip in bpy.data.movieclips:
        if clip.filepath:
            sequence = clip.source == "SEQUENCE"
            kind = "image" if sequence else "movie"
            yield _path(kind, clip, clip.filepath, clip, "filepath", "sequence" if sequence else None)
    for font in bpy.data.fonts:
        if font.filepath and font.filepath != BUILTIN_FONT and not font.packed_file:
            yield _path("font", font, font.filepath, font, "filepath")
    for sound in bpy.data.sounds:
        if sound.filepath and not sound.packed_file:
            yield _path("sound", sound, sound.filepath, sound, "filepath")
    for volume in bpy.data.volumes:
        if volume.filepath and not volume.packed_file:
            yield _path("volume", volume, volume.filepath, volume, "filepath", "sequence" if volume.is_sequence else None)
    for cache in bpy.data.cache_files:
        if cache.filepath:
            yield _path("cache", cache, cache.filepath, cache, "filepath", "sequence" if cache.is_sequence else None)
        for layer in getattr(cache, "layers", ()):
            yield _path("cache", cache, layer.filepath, layer, "filepath")
    for camera in bpy.data.cameras:
        if getattr(camera, "custom_filepath", ""):
            yield _path("script", camera, camera.custom_filepath, camera, "custom_filepath")


def strips_of(scene):
    """All strips of a scene's sequencer, those inside meta strips included."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    # `strips_all` since Blender 4.4, `sequences_all` before.
    return list(getattr(editor, "strips_all", None) or getattr(editor, "sequences_all", ()))


def _sequencers():
    for scene in bpy.data.scenes:
        for strip in strips_of(scene):
            if strip.type == "IMAGE":
                for element in strip.elements:
                    path = posixpath.join(strip.directory, element.filename)
                    yield _path("image", scene, path, strip, "directory", element=element.filename, name=strip.name)
            elif strip.type == "MOVIE":
                yield _path("movie", scene, strip.filepath, strip, "filepath", name=strip.name)


def point_caches():
    """Yields (object, modifier, point cache) of every simulation that keeps one."""
    for block in bpy.data.objects:
        for modifier in block.modifiers:
            if modifier.type in {"CLOTH", "SOFT_BODY"}:
                yield block, modifier, modifier.point_cache
            elif modifier.type == "PARTICLE_SYSTEM" and modifier.particle_system:
                yield block, modifier, modifier.particle_system.point_cache
            elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings:
                for surface in modifier.canvas_settings.canvas_surfaces:
                    yield block, modifier, surface.point_cache


def fluid_domain(modifier):
    """The domain settings of a fluid modifier, or None."""
    if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
        return modifier.domain_settings
    return None


def _objects():
    for block, modifier, cache in point_caches():
        if cache.use_external and cache.filepath:
            yield _path("cache", block, cache.filepath, cache, "filepath", "folder", name=f"{block.name}: {modifier.name}")
        elif cache.use_disk_cache and cache.is_baked:
            # Blender derives this folder from the name of the .blend: there is nothing to rewrite.
            holder = block.library.filepath if block.library else bpy.data.filepath
            stem = posixpath.splitext(posixpath.basename(holder))[0]
            yield _path("cache", block, f"//blendcache_{stem}", None, None, "folder", name=f"{block.name}: {modifier.name}")
    for block in bpy.data.objects:
        for modifier in block.modifiers:
            yield from _modifier(block, modifier)


def _modifier(block, modifier):
    name = f"{block.name}: {modifier.name}"
    domain = fluid_domain(modifier)
    if domain and domain.cache_directory and getattr(domain, "has_cache_baked_any", False):
        yield _path("cache", block, domain.cache_directory, domain, "cache_directory", "folder", name=name)
    elif modifier.type == "MESH_CACHE" and modifier.filepath:
        yield _path("cache", block, modifier.filepath, modifier, "filepath", name=name)
    elif modifier.type == "OCEAN" and modifier.is_cached and modifier.filepath:
        yield _path("cache", block, modifier.filepath, modifier, "filepath", "folder", name=name)
    elif modifier.type == "MULTIRES" and modifier.is_external:
        yield _path("cache", block, modifier.filepath, modifier, "filepath", name=name)
    elif modifier.type == "NODES":
        for owner, attribute in simulation_folders(modifier):
            yield _path("cache", block, getattr(owner, attribute), owner, attribute, "folder", name=name)


def simulation_folders(modifier):
    """(owner, attribute) of each folder where a Geometry Nodes modifier keeps bakes on disk (Blender 3.6 and later)."""
    # `simulation_bake_directory` in 3.6 and 4.0, then `bake_directory` with `bakes` that may have a folder of their own.
    for attribute in ("bake_directory", "simulation_bake_directory"):
        if getattr(modifier, attribute, ""):
            yield modifier, attribute
    for bake in getattr(modifier, "bakes", ()):
        if bake.use_custom_path and bake.directory:
            yield bake, "directory"


def node_trees():
    """Yields (data-block, node tree) for every node tree, those embedded in materials, worlds, lights and scenes included."""
    for tree in bpy.data.node_groups:
        yield tree, tree
    for blocks in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.linestyles, bpy.data.scenes):
        for block in blocks:
            tree = getattr(block, "node_tree", None)
            if tree is not None:
                yield block, tree


def _nodes():
    for block, tree in node_trees():
        for node in tree.nodes:
            if node.bl_idname in {"ShaderNodeTexIES", "ShaderNodeScript"} and node.mode == "EXTERNAL" and node.filepath:
                kind = "script" if node.bl_idname == "ShaderNodeScript" else "light-profile"
                yield _path(kind, block, node.filepath, node, "filepath", name=f"{block.name}: {node.name}")
            for socket in node.inputs:
                if socket.bl_idname == "NodeSocketStringFilePath" and socket.default_value:
                    yield _path("cache", block, socket.default_value, socket, "default_value", name=f"{block.name}: {node.name}")


# --- what a path means ---


def portable(path):
    """A path as POSIX writes it: a .blend saved on Windows has backslashes."""
    windows = "\\" in path and (path.startswith("//") or re.match(r"^[A-Za-z]:", path))
    return path.replace("\\", "/") if windows else path


def holder_file(library):
    """Absolute path of the .blend that holds a data-block of `library` (None: the open file)."""
    if library is None:
        return bpy.data.filepath
    return posixpath.normpath(bpy.path.abspath(portable(library.filepath)))


def original_of(path, library, project_root):
    """How protocol's PathRemap names a path: absolute as written, or `//` and the place relative to the project root."""
    path = portable(path)
    if not path.startswith("//"):
        return posixpath.normpath(path)
    # Lexical and relative to the root: joined to an absolute folder first, `..` would stop at `/` and lose its count.
    folder = posixpath.relpath(posixpath.dirname(holder_file(library)), project_root)
    return "//" + posixpath.normpath(posixpath.join(folder, path[2:]))


def place_in_project(path, library, project_root):
    """The path relative to the project root, or None where it leads out of the project."""
    original = original_of(path, library, project_root)
    relative = original[2:] if original.startswith("//") else posixpath.relpath(original, project_root)
    outside = relative == ".." or relative.startswith("../") or re.match(r"^[A-Za-z]:", relative)
    return None if outside else relative


def expand(file_path, place, project_root):
    """The files that a FilePath at `place` stands for: [(place, exists)], at least one."""
    absolute = posixpath.join(project_root, place)
    if file_path.pattern == "tiles":
        return [(tile, os.path.isfile(posixpath.join(project_root, tile))) for tile in _tiles(file_path.owner, place)]
    if file_path.pattern == "sequence":
        found = _sequence_files(absolute)
    elif file_path.pattern == "folder":
        found = _files_below(absolute)
    else:
        found = [absolute] if os.path.isfile(absolute) else []
    return [(posixpath.relpath(path, project_root), True) for path in found[:MAX_EXPANDED]] or [(place, False)]


def _tiles(image, place):
    """`tex.<UDIM>.png` → `tex.1001.png`, … as the image lists its tiles."""
    if not any(token in place for token in TILE_TOKENS):
        return [place]
    numbers = [tile.number for tile in image.tiles]
    uv = [f"u{(number - 1001) % 10 + 1}_v{(number - 1001) // 10 + 1}" for number in numbers]
    return [place.replace("<UDIM>", str(number)).replace("<UVTILE>", name) for number, name in zip(numbers, uv)]


def _sequence_files(absolute):
    """As Blender decodes sequences: the last group of digits in the file's name counts."""
    folder, name = posixpath.split(absolute)
    match = re.match(r"^(.*?)(\d+)(\D*)$", name)
    if not match or not os.path.isdir(folder):
        return [absolute] if os.path.isfile(absolute) else []
    head, _, tail = match.groups()
    numbered = re.compile(re.escape(head) + r"\d+" + re.escape(tail) + "$")
    names = sorted(entry for entry in os.listdir(folder) if numbered.match(entry))
    return [path for path in (posixpath.join(folder, entry) for entry in names) if os.path.isfile(path)]


def _files_below(folder):
    return [posixpath.join(at, name) for at, _, names in sorted(os.walk(folder)) for name in sorted(names)]
