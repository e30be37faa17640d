"""Bakes the simulations of the open .blend into the file itself, as Blender's "Bake All Dynamics" does.

Only what `history` lists as bakeable: caches that lie beside the .blend (fluid, dynamic paint) cannot travel within it.
"""

import math

import bpy

from history import find_dependences
from inspect_scene import scene_objects
from references import point_caches


def bake():
    """Bakes every scene, each from the first frame of its simulations to its last frame.

    What stays empty, because the viewport does not show it, is left unbaked: `history` goes on listing it.
    """
    window = bpy.context.window
    shown = window.scene, window.view_layer
    unbaked = [(owner, cache) for owner, cache in _all_caches() if not cache.is_baked]
    wanted = []
    for scene in [shown[0]] + [other for other in bpy.data.scenes if other != shown[0] and other.library is None]:
        dependences = [d for d in find_dependences(scene, scene_objects(scene)) if d.caches]
        for dependence in dependences:
            _prepare(scene, dependence)
        window.scene = scene
        for layer in scene.view_layers:
            window.view_layer = layer
            _bake_layer(scene, layer, dependences)
        wanted += dependences
    window.scene = shown[0]
    window.view_layer = shown[1]
    baked = [cache for dependence in wanted for cache in dependence.caches]
    for owner, cache in unbaked:
        # A bake of everything marks also what it cannot keep in the file, and what is not rendered.
        if cache.is_baked and (cache not in baked or _is_empty(cache)):
            _with_cache(owner, cache, bpy.ops.ptcache.free_bake)


def _prepare(scene, dependence):
    """What stands before a simulation in the stack is seen by the bake as the render sees it."""
    for cache in dependence.caches:
        # Blender dies of setting this for rigid bodies, whose cache never is on disk.
        if cache.use_disk_cache:
            cache.use_disk_cache = False
        cache.frame_end = max(cache.frame_start, min(cache.frame_end, _last_frame(scene)))
    for modifier in getattr(dependence.block, "modifiers", ()):
        modifier.show_viewport = modifier.show_render
        if modifier.type == "SUBSURF":
            modifier.levels = modifier.render_levels
        if modifier.name == dependence.modifier:
            break


def _last_frame(scene):
    # One more for motion blur; time remapping plays the simulation faster or slower.
    speed = scene.render.frame_map_new / scene.render.frame_map_old
    return math.ceil(scene.frame_end * max(1.0, speed)) + 1


def _bake_layer(scene, layer, dependences):
    layer.update()
    # Blender dies of a bake of everything that finds nothing to bake.
    if any(not cache.is_baked and _is_baked_with_all(scene, layer, d) for d in dependences for cache in d.caches):
        bpy.ops.ptcache.bake_all(bake=True)
    evaluated = {block.original for block in layer.depsgraph.ids}
    for dependence in dependences:
        if dependence.block in evaluated and dependence.block != scene:
            for cache in dependence.caches:
                if not cache.is_baked:
                    _with_cache(dependence.block, cache, bpy.ops.ptcache.bake, bake=True)


def _is_baked_with_all(scene, layer, dependence):
    block = dependence.block
    if block == scene:
        return any(body.name in layer.objects for body in scene.rigidbody_world.collection.all_objects)
    if dependence.kind == "particles":
        system = block.modifiers[dependence.modifier].particle_system
        # A bake of everything passes hair by.
        if system.settings.type == "HAIR":
            return False
    return block.name in layer.objects


def _with_cache(owner, cache, operator, **options):
    # The cache of rigid bodies is of their scene.
    place = {"object": owner} if isinstance(owner, bpy.types.Object) else {}
    with bpy.context.temp_override(point_cache=cache, **place):
        operator(**options)


def _is_empty(cache):
    # Blender tells it in words only: "12 frames in memory (3 MiB)."
    return cache.info.startswith("0 ")


def _all_caches():
    """(object or scene, point cache) of everything in the file."""
    worlds = [(scene, scene.rigidbody_world.point_cache) for scene in bpy.data.scenes if scene.rigidbody_world]
    return [(block, cache) for block, _, cache in point_caches()] + worlds
