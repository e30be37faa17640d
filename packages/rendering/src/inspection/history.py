"""What makes a frame of a scene depend on the frames before it.

Each entry of the table below was seen to differ between a jump to a frame and playing up to it, and to be equal once baked
(inspection.test.ts shows both).
"""

import os

import bpy

from references import fluid_domain, simulation_folders


def history_dependences(scene, objects):
    """HistoryDependence entries of protocol for `objects`, those that take part in `scene`."""
    found = []
    for block in objects:
        for modifier in block.modifiers:
            if modifier.show_render and (kind := _kind(block, modifier)):
                found.append(_entry(kind, block.name, modifier.name, block.library is None))
        found.extend(_inverse_kinematics(block))
    world = scene.rigidbody_world
    if world and world.enabled and _has_moving_bodies(world) and not _is_baked(world.point_cache):
        found.append(_entry("rigid-body", scene.name, "Rigid Body World", scene.library is None))
    return found


def _entry(kind, block, modifier, bakeable):
    return {"kind": kind, "object": block, "modifier": modifier, "bakeable": bakeable}


def _is_baked(cache):
    return cache.is_baked or cache.use_external


def _kind(block, modifier):
    if modifier.type == "CLOTH":
        return None if _is_baked(modifier.point_cache) else "cloth"
    if modifier.type == "SOFT_BODY":
        return None if _is_baked(modifier.point_cache) else "soft-body"
    if modifier.type == "PARTICLE_SYSTEM":
        return "particles" if _particles_depend(modifier.particle_system) else None
    if modifier.type == "DYNAMIC_PAINT":
        return "dynamic-paint" if _paint_depends(modifier.canvas_settings) else None
    if modifier.type == "NODES":
        return "simulation-nodes" if _simulation_depends(modifier) else None
    domain = fluid_domain(modifier)
    return "fluid" if domain and not _is_fluid_baked(domain) else None


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
        yield _entry("inverse-kinematics", block.name, "iTaSC", False)
