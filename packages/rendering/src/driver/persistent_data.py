"""Scenes whose pixels change when Cycles keeps its data from frame to frame.

Every entry has a test that shows the difference (`persistent-data.test.ts`). Whole files are looked at, not scenes: objects come
into a scene by instances, particles and nodes too.
"""

import bpy

# Scene settings that Cycles does see change.
SEEN_SETTINGS = {"cycles.seed", "cycles.samples"}
POINT_MAKERS = {
    "GeometryNodeMeshToPoints",
    "GeometryNodeCurveToPoints",
    "GeometryNodeInstancesToPoints",
    "GeometryNodeDistributePointsOnFaces",
    "GeometryNodeDistributePointsInVolume",
    "GeometryNodeDistributePointsInGrid",
    "GeometryNodePoints",
}
# Nodes that make something else of points, by the input that takes them.
POINT_TAKERS = {
    ("GeometryNodeInstanceOnPoints", "Points"),
    ("GeometryNodePointsToVertices", "Points"),
    ("GeometryNodePointsToVolume", "Points"),
    ("GeometryNodePointsToCurves", "Points"),
}


def has_hair(_scene):
    """Hair of particle systems, and hair curves: some pixels differ by up to a tenth."""
    if len(getattr(bpy.data, "hair_curves", ())) > 0:
        return True
    return any(settings.type == "HAIR" for settings in bpy.data.particles)


def has_adaptive_subdivision(scene):
    """Meshes diced by their size in the picture stay as the first frame's camera saw them."""
    if getattr(scene.cycles, "feature_set", "EXPERIMENTAL") != "EXPERIMENTAL":
        return False
    return any(_is_diced(block) for block in bpy.data.objects)


def _is_diced(block):
    if not block.modifiers or block.modifiers[-1].type != "SUBSURF":
        return False
    # A setting of the object until Blender 4, of the modifier since Blender 5.
    return any(getattr(owner, "use_adaptive_subdivision", False) for owner in (block.cycles, block.modifiers[-1]))


def has_points(_scene):
    """Points that Geometry Nodes render as such: where their radius changes, parts of them are cut off."""
    if len(getattr(bpy.data, "pointclouds", ())) > 0:
        return True
    return any(_gives_points(tree) for tree in bpy.data.node_groups if tree.bl_idname == "GeometryNodeTree")


def _gives_points(tree):
    """Whether geometry from a node that makes points may reach the tree's output."""
    waiting = [node for node in tree.nodes if node.bl_idname in POINT_MAKERS]
    seen = set(waiting)
    # `node.outputs[].links` walks all links of a tree each time; this walks them once.
    following = {}
    for link in tree.links:
        following.setdefault(link.from_node, []).append(link)
    while waiting:
        for link in following.get(waiting.pop(), ()):
            node = link.to_node
            takes_points = (node.bl_idname, link.to_socket.name) in POINT_TAKERS
            if link.from_socket.type != "GEOMETRY" or takes_points or node in seen:
                continue
            if node.bl_idname == "NodeGroupOutput":
                return True
            seen.add(node)
            waiting.append(node)
    return False


def has_animated_render_settings(scene):
    """Simplification and the shutter of motion blur, for example, stay as in the first frame."""
    return any(
        path.startswith(("render.", "cycles.")) and path not in SEEN_SETTINGS for path in _animated_paths(scene)
    )


def _animated_paths(scene):
    animation = scene.animation_data
    if animation is None:
        return []
    actions = [animation.action] + [strip.action for track in animation.nla_tracks for strip in track.strips]
    curves = list(animation.drivers)
    for action in actions:
        # Blender 5 has curves per slot: then every action counts as one that might.
        curves += getattr(action, "fcurves", ()) if action else ()
        if action and not hasattr(action, "fcurves"):
            return ["render."]
    return [curve.data_path for curve in curves]


UNSAFE_FEATURES = (
    ("hair", has_hair),
    ("adaptive subdivision", has_adaptive_subdivision),
    ("points", has_points),
    ("animated render settings", has_animated_render_settings),
)


def unsafe_features(scene):
    """Names of the features for which a render of the scene must not keep data."""
    if scene.render.engine != "CYCLES":
        return []
    return [name for name, is_used in UNSAFE_FEATURES if is_used(scene)]
