"""Says what is in the open .blend, as protocol's InspectionReport. Changes nothing.

Written for Blender 2.93 to 5.x: what one of them lacks is read with a default, at the line that needs it.
"""

import bpy

from history import history_dependences
from references import expand, file_paths, holder_file, node_trees, original_of, place_in_project, strips_of

MOVIE_FORMATS = {"FFMPEG", "AVI_JPEG", "AVI_RAW", "FRAMESERVER"}
# Per-scene identifiers of Cycles' denoisers, for builds that lack them: their list of choices is then empty.
CYCLES_DENOISERS = {1: "NLM", 2: "OPTIX", 4: "OPENIMAGEDENOISE"}
WORKBENCH_SAMPLES = {"OFF": 1, "FXAA": 1}
MAX_SCRIPTS = 1000
MAX_PRESENT = 50_000


def inspect(project_root):
    """The report for the open file, whose project stands at `project_root`."""
    return {
        # Blender writes major and minor version only.
        "savedWith": ".".join(str(part) for part in bpy.data.version[:2]),
        "inspectedWith": bpy.app.version_string.split(" ")[0],
        "activeScene": bpy.context.scene.name,
        "scenes": [_scene(scene) for scene in bpy.data.scenes if scene.library is None],
        "references": list_references(project_root),
        "scripts": _scripts()[:MAX_SCRIPTS],
    }


# --- files ---


def list_references(project_root):
    """SceneReference entries of protocol for the open file. `outside` is as good as missing: only the project travels."""
    references = {}
    for file_path in file_paths():
        place = place_in_project(file_path.path, file_path.library, project_root)
        if place is None:
            expanded = [(original_of(file_path.path, file_path.library, project_root), None)]
        else:
            expanded = expand(file_path, place, project_root)
        for resolved, exists in expanded:
            entry = {
                "kind": file_path.kind,
                "name": file_path.name,
                "path": file_path.path,
                "resolved": resolved,
                "status": "outside" if exists is None else "present" if exists else "missing",
            }
            if file_path.library is not None:
                holder = holder_file(file_path.library)
                entry["library"] = place_in_project(holder, None, project_root) or holder
            if file_path.pattern is not None:
                entry["pattern"] = file_path.pattern
            if exists and len(references) >= MAX_PRESENT:
                continue
            # Ten objects may share one texture; the first that names a file speaks for it.
            references.setdefault((file_path.kind, file_path.path, resolved, entry.get("library")), entry)
    return list(references.values())


# --- scripts ---


def _scripts():
    """Names of what would run as Python (or OSL) in the creator's Blender, and does not run here."""
    names = [f"text {text.name}" for text in bpy.data.texts if text.use_module]
    for block, tree in node_trees():
        names += [f"{block.name}: OSL node {node.name}" for node in tree.nodes if node.bl_idname == "ShaderNodeScript"]
        names += _drivers(tree, block.name) if tree is not block else []
    for block in _all_blocks():
        names += _drivers(block, block.name)
    return names


def _all_blocks():
    for collection in bpy.data.bl_rna.properties:
        if collection.type == "COLLECTION":
            yield from getattr(bpy.data, collection.identifier)


def _drivers(block, name):
    animation = getattr(block, "animation_data", None)
    curves = animation.drivers if animation else ()
    return [
        f"{name}: driver of {curve.data_path}"
        for curve in curves
        # Blender computes simple expressions itself, with scripts off too.
        if curve.driver.type == "SCRIPTED" and not getattr(curve.driver, "is_simple_expression", False)
    ]


# --- scenes ---


def _scene(scene):
    render = scene.render
    image = render.image_settings
    objects = scene_objects(scene)
    marker_cameras = [marker.camera for marker in scene.timeline_markers if getattr(marker, "camera", None)]
    cameras = [block for block in scene.objects if block.type == "CAMERA"] + marker_cameras
    denoiser = _denoiser(scene)
    return {
        "name": scene.name,
        "cameras": sorted({camera.name for camera in cameras}),
        "camera": scene.camera.name if scene.camera else None,
        "hasMarkerCamera": len(marker_cameras) > 0,
        "frameStart": scene.frame_start,
        "frameEnd": scene.frame_end,
        "frameStep": scene.frame_step,
        "frameCurrent": scene.frame_current,
        "fps": render.fps / render.fps_base,
        "engine": render.engine,
        "resolutionX": render.resolution_x,
        "resolutionY": render.resolution_y,
        "resolutionPercent": render.resolution_percentage,
        "samples": _samples(scene),
        "timeLimitSeconds": getattr(_cycles(scene), "time_limit", 0.0),
        "format": image.file_format,
        "depth": image.color_depth,
        "isMovie": image.file_format in MOVIE_FORMATS or getattr(image, "media_type", "IMAGE") == "VIDEO",
        "usesDenoiser": denoiser is not None,
        "denoiser": denoiser,
        "usesCompositor": _compositor(scene) is not None,
        "usesSequencer": render.use_sequencer and any(not strip.mute for strip in strips_of(scene)),
        "fileOutputNodes": [node.name for node in _compositor_nodes(scene) if node.type == "OUTPUT_FILE"],
        "views": [view.name for view in render.views if view.use] if render.use_multiview else [],
        "stereoFormat": image.views_format if render.use_multiview else None,
        "viewLayers": [_view_layer(layer) for layer in scene.view_layers],
        "usesMotionBlur": _uses_motion_blur(scene),
        "usesHair": any(_has_hair(block) for block in objects),
        "usesFreestyle": render.use_freestyle and any(layer.use_freestyle for layer in scene.view_layers),
        "historyDependences": history_dependences(scene, objects),
    }


def scene_objects(scene):
    """Objects of the scene and of the collections that they instance, each once."""
    found, waiting = {}, list(scene.objects)
    while waiting:
        block = waiting.pop()
        if block.name_full in found:
            continue
        found[block.name_full] = block
        if block.instance_type == "COLLECTION" and block.instance_collection:
            waiting.extend(block.instance_collection.all_objects)
        for modifier in block.modifiers:
            # Particles may instance objects that stand in no scene.
            settings = modifier.particle_system.settings if modifier.type == "PARTICLE_SYSTEM" else None
            if settings and settings.instance_object:
                waiting.append(settings.instance_object)
            if settings and settings.instance_collection:
                waiting.extend(settings.instance_collection.all_objects)
    return sorted(found.values(), key=lambda block: block.name_full)


def _has_hair(block):
    systems = (modifier.particle_system for modifier in block.modifiers if modifier.type == "PARTICLE_SYSTEM")
    # Hair objects: type HAIR in Blender 3.0 to 3.2, CURVES since.
    return block.type in {"HAIR", "CURVES"} or any(system and system.settings.type == "HAIR" for system in systems)


def _cycles(scene):
    return getattr(scene, "cycles", None)


def _samples(scene):
    if scene.render.engine == "CYCLES":
        return getattr(_cycles(scene), "samples", None)
    if scene.render.engine.startswith("BLENDER_EEVEE"):
        return scene.eevee.taa_render_samples
    if scene.render.engine == "BLENDER_WORKBENCH":
        setting = scene.display.render_aa
        return WORKBENCH_SAMPLES.get(setting) or int(setting)
    return None


def _uses_motion_blur(scene):
    # EEVEE had a setting of its own before Blender 4.2.
    if scene.render.engine == "BLENDER_EEVEE" and hasattr(scene.eevee, "use_motion_blur"):
        return scene.eevee.use_motion_blur
    return scene.render.use_motion_blur


def _view_layer(layer):
    return {"name": layer.name, "enabled": layer.use, "denoises": _layer_denoises(layer)}


def _layer_denoises(layer):
    return bool(getattr(getattr(layer, "cycles", None), "use_denoising", False))


def _denoiser(scene):
    """The denoiser that a render of the scene asks for: Cycles' own, else the compositor's, else None."""
    cycles = _cycles(scene)
    layers_denoise = any(layer.use and _layer_denoises(layer) for layer in scene.view_layers)
    if scene.render.engine == "CYCLES" and cycles and cycles.use_denoising and layers_denoise:
        chosen = getattr(cycles, "denoiser", "")
        return chosen or CYCLES_DENOISERS.get(cycles.get("denoiser"), "OPENIMAGEDENOISE")
    if any(node.type == "DENOISE" for node in _compositor_nodes(scene)):
        return "OPENIMAGEDENOISE"
    return None


def _compositor(scene):
    """The compositor's node tree where it takes part in renders, else None."""
    if not scene.render.use_compositing:
        return None
    # `compositing_node_group` since Blender 5.0, where `use_nodes` says nothing any more.
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _compositor_nodes(scene):
    nodes, waiting, seen = [], [_compositor(scene)], set()
    while waiting:
        tree = waiting.pop()
        if tree is None or tree in seen:
            continue
        seen.add(tree)
        active = [node for node in tree.nodes if not node.mute]
        nodes += active
        waiting += [node.node_tree for node in active if node.type == "GROUP"]
    return nodes
