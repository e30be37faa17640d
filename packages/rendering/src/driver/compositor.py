"""The nodes that make a scene's picture of its renders."""


def compositor_nodes(scene):
    """Every node of the scene's compositor and the groups in it, each with whether it is muted."""
    if scene.render.use_compositing:
        yield from _nodes(_tree(scene), set(), False)


def _tree(scene):
    # `compositing_node_group` since Blender 5, where `use_nodes` says nothing any more.
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _nodes(tree, seen, is_muted):
    if tree is None or tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        yield node, is_muted or node.mute
        if node.type == "GROUP":
            yield from _nodes(node.node_tree, seen, is_muted or node.mute)
