"""What makes a frame of a scene depend on the frames before it.

Each entry of the table below was seen to differ between a jump to a frame and playing up to it, and to be equal once baked
(inspection.test.ts shows both).
"""

import os

import bpy

from references import fluid_domain, simulation_folders


class Dependence:
    """`block` is an object, or the scene of a rigid body world; `caches` are the point caches that a bake would fill."""

    def __init__(self, kind, block, modifier, caches=()):
        self.kind = kind
        self.block = block
        self.modifier = modifier
        # Of linked data and of overrides of it a .blend holds no caches.
        is_own = block.library is None and block.override_library is None
        self.caches = list(caches) if is_own else []

    def entry(self):
        bakeable = len(self.caches) > 0
        return {"kind": self.kind, "object": self.block.name, "modifier": self.modifier, "bakeable": bakeable}


def history_dependences(scene, objects):
    """HistoryDependence entries of protocol for `objects`, those that take part in `scene`."""
    return [dependence.entry() for dependence in find_dependences(scene, objects)]


def find_dependences(scene, objects):
    """The same as Dependence objects."""
    for block in objects:
        for modifier in block.modifiers:
            if modifier.show_render:
                yield from _of_modifier(block, modifier)
        yield from _inverse_kinematics(block)
    world = scene.rigidbody_world
    if world and world.enabled and _has_moving_bodies(world) and not _is_baked(world.point_cache):
        yield Dependence("rigid-body", scene, "Rigid Body World", [world.point_cache])


def _is_baked(cache):
    return cache.is_baked or cache.use_external


def _of_modifier(block, modifier):
    if modifier.type in {"CLOTH", "SOFT_BODY"}:
        if not _is_baked(modifier.point_cache):
            kind = "cloth" if modifier.type == "CLOTH" else "soft-body"
            yield Dependence(kind, block, modifier.name, [modifier.point_cache])
    elif modifier.type == "PARTICLE_SYSTEM":
        system = modifier.particle_system
        if _particles_depend(system):
            # Blender bakes no keyed particles.
            is_keyed = system.settings.type != "HAIR" and system.settings.physics_type == "KEYED"
            yield Dependence("particles", block, modifier.name, [] if is_keyed else [system.point_cache])
    elif modifier.type == "DYNAMIC_PAINT":
        # Its cache is always a folder beside the .blend, never within.
        if _paint_depends(modifier.canvas_settings):
            yield Dependence("dynamic-paint", block, modifier.name)
    elif modifier.type == "NODES":
        if _simulation_depends(modifier):
            yield Dependence("simulation-nodes", block, modifier.name)
    elif modifier.type == "FLUID":
        domain = fluid_domain(modifier)
        if domain and not _is_fluid_baked(domain):
            yield Dependence("fluid", block, modifier.name)


def _particles_depend(system):
    if system is None or _is_baked(system.point_cache):
        return False
    settings = system.settings
    if settings.type == "HAIR":
        return system.use_hair_dynamics
    # Newtonian particles too, though nothing acts on them but gravity: one long step rounds otherwise than many short ones.
    return settings.physics_type != "NO" and settings.count > 0


def _paint_depends(canvas):
    if canvas is None:
        return False
    # A surface that paints to image files changes nothing in the frame itself.
    surfaces = [s for s in canvas.canvas_surfaces if s.is_active and s.surface_format != "IMAGE"]
    return any(not _is_baked(surface.point_cache) for surface in surfaces)


def _is_fluid_baked(domain):
    if domain.cache_type == "REPLAY" or not domain.has_cache_baked_data:
        # Unbaked domains of the other cache types stand empty: listed, for nobody wants that picture.
        return False
    # Flags in the .blend outlive the folder that they speak of.
    if not os.path.isdir(bpy.path.abspath(domain.cache_directory, library=domain.id_data.library)):
        return False
    if domain.domain_type == "GAS":
        return domain.has_cache_baked_noise or not domain.use_noise
    particles = domain.use_spray_particles or domain.use_bubble_particles or domain.use_foam_particles
    return (domain.has_cache_baked_mesh or not domain.use_mesh) and (domain.has_cache_baked_particles or not particles)


def _simulation_depends(modifier):
    if not _has_simulation_zone(modifier.node_group, set()):
        return False
    # A bake packed into the .blend (Blender 4.3 and later) cannot be seen from Python, and is listed as if it were none.
    return not any(_holds_files(modifier, owner, attribute) for owner, attribute in simulation_folders(modifier))


def _holds_files(modifier, owner, attribute):
    folder = bpy.path.abspath(getattr(owner, attribute), library=modifier.id_data.library)
    return any(names for _, _, names in os.walk(folder))


def _has_simulation_zone(tree, seen):
    if tree is None or tree in seen:
        return False
    seen.add(tree)
    for node in tree.nodes:
        if node.bl_idname == "GeometryNodeSimulationOutput":
            return True
        if node.type == "GROUP" and _has_simulation_zone(node.node_tree, seen):
            return True
    return False


def _has_moving_bodies(world):
    bodies = world.collection.all_objects if world.collection else ()
    return any(b.rigid_body and b.rigid_body.type == "ACTIVE" and not b.rigid_body.kinematic for b in bodies)


def _inverse_kinematics(block):
    pose = block.pose
    if pose is None or pose.ik_solver != "ITASC" or pose.ik_param.mode != "SIMULATION":
        return
    if any(constraint.type == "IK" for bone in pose.bones for constraint in bone.constraints):
        yield Dependence("inverse-kinematics", block, "iTaSC")
