"""Shows for each kind of simulation whether a jump to a frame equals playing up to it, unbaked and baked, and what is listed.

    blender -b --factory-startup --python history_cases.py -- FOLDER CASE…

writes FOLDER/history.json: {case: {unbaked: {differs, listed}, baked: the same or null}}.
"""

import json
import os
import sys

import bpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bake import bake as bake_file  # noqa: E402
from inspect_scene import inspect  # noqa: E402

FOLDER, *WANTED = sys.argv[sys.argv.index("--") + 1 :]
LAST_FRAME = 9


# --- cases: each fills an empty scene ---


def sheet(name="Sheet"):
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=8, y_subdivisions=8, size=2, location=(0, 0, 2))
    bpy.context.object.name = name
    return bpy.context.object


def cloth():
    sheet().modifiers.new("Simulation", "CLOTH")


def soft_body():
    sheet().modifiers.new("Simulation", "SOFT_BODY").settings.use_goal = False


def rigid_body():
    sheet()
    bpy.ops.rigidbody.world_add()
    bpy.ops.rigidbody.object_add()


def particle_system():
    block = sheet()
    block.modifiers.new("Simulation", "PARTICLE_SYSTEM")
    system = block.particle_systems[0]
    system.settings.count = 50
    system.settings.frame_end = 10
    return system


def newtonian_particles():
    particle_system()


def boids():
    particle_system().settings.physics_type = "BOIDS"


def fluid_particles():
    particle_system().settings.physics_type = "FLUID"


def still_particles():
    particle_system().settings.physics_type = "NO"


def hair():
    particle_system().settings.type = "HAIR"


def hair_dynamics():
    system = particle_system()
    system.settings.type = "HAIR"
    system.use_hair_dynamics = True


def dynamic_paint():
    canvas = sheet().modifiers.new("Simulation", "DYNAMIC_PAINT")
    bpy.ops.dpaint.type_toggle(type="CANVAS")
    canvas.canvas_settings.canvas_surfaces[0].surface_type = "WAVE"
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, location=(-1, 0, 2))
    sphere = bpy.context.object
    sphere.keyframe_insert("location", frame=1)
    sphere.location.x = 1
    sphere.keyframe_insert("location", frame=LAST_FRAME)
    sphere.modifiers.new("Brush", "DYNAMIC_PAINT").ui_type = "BRUSH"
    bpy.ops.dpaint.type_toggle(type="BRUSH")


def fluid():
    bpy.ops.mesh.primitive_cube_add(size=4)
    domain = bpy.context.object.modifiers.new("Simulation", "FLUID")
    domain.fluid_type = "DOMAIN"
    domain.domain_settings.domain_type = "GAS"
    domain.domain_settings.resolution_max = 8
    bpy.context.object.name = "Domain"
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, location=(0, 0, -1))
    flow = bpy.context.object.modifiers.new("Flow", "FLUID")
    flow.fluid_type = "FLOW"
    flow.flow_settings.flow_type = "SMOKE"
    flow.flow_settings.flow_behavior = "INFLOW"
    # Last, for Blender fails to step a domain whose cache is set before it has a flow.
    domain.domain_settings.cache_frame_end = LAST_FRAME
    domain.domain_settings.cache_directory = "//fluid"


def inverse_kinematics():
    bpy.ops.object.armature_add()
    armature = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones[0]
    root.tail = (0, 0.1, 1)
    tip = armature.data.edit_bones.new("Tip")
    tip.head, tip.tail, tip.parent, tip.use_connect = root.tail, (0, 0, 2), root, True
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.object.empty_add(location=(1, 0, 1))
    goal = bpy.context.object
    goal.keyframe_insert("location", frame=1)
    goal.location = (-1, 0.5, 1.5)
    goal.keyframe_insert("location", frame=LAST_FRAME)
    armature.pose.bones["Tip"].constraints.new("IK").target = goal
    armature.pose.ik_solver = "ITASC"
    armature.pose.ik_param.mode = "SIMULATION"


def simulation_nodes():
    modifier = sheet().modifiers.new("Simulation", "NODES")
    tree = modifier.node_group = bpy.data.node_groups.new("Drift", "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    first, last = tree.nodes.new("GeometryNodeSimulationInput"), tree.nodes.new("GeometryNodeSimulationOutput")
    first.pair_with_output(last)
    move = tree.nodes.new("GeometryNodeSetPosition")
    move.inputs["Offset"].default_value = (0, 0, 0.1)
    chain = [(tree.nodes.new("NodeGroupInput"), first), (first, move), (move, last), (last, tree.nodes.new("NodeGroupOutput"))]
    for source, target in chain:
        tree.links.new(source.outputs["Geometry"], target.inputs["Geometry"])


# --- what becomes of them ---


def bake(case):
    """Bakes the open scene; False where this kind cannot be baked."""
    if case is inverse_kinematics:
        return False
    if case is fluid:
        domain = bpy.context.view_layer.objects.active = bpy.data.objects["Domain"]
        # A cache folder of its own, so that what playing left in the first one is not taken for baked.
        domain.modifiers[0].domain_settings.cache_directory = "//fluid-baked"
        domain.modifiers[0].domain_settings.cache_type = "ALL"
        bpy.ops.fluid.bake_all()
    elif case is simulation_nodes:
        bpy.context.view_layer.objects.active = bpy.data.objects["Sheet"]
        bpy.data.objects["Sheet"].select_set(True)
        bpy.ops.object.simulation_nodes_cache_bake(selected=True)
    elif case is dynamic_paint:
        bpy.ops.ptcache.bake_all(bake=True)
    else:
        bake_file()
    return True


def state(graph):
    """All that a frame shows: every instance's place, every vertex, particle, bone and voxel."""
    numbers = []
    for instance in graph.object_instances:
        numbers += [value for row in instance.matrix_world for value in row]
        if instance.object.type == "MESH":
            numbers += [value for vertex in instance.object.data.vertices for value in vertex.co]
    for block in graph.objects:
        for modifier in block.modifiers:
            if modifier.type == "PARTICLE_SYSTEM":
                for particle in modifier.particle_system.particles:
                    numbers.extend(particle.location)
                    for key in range(len(particle.hair_keys)):
                        numbers.extend(particle.hair_keys[key].co_object(block, modifier, particle))
            elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                numbers.extend(modifier.domain_settings.density_grid)
        for bone in block.pose.bones if block.pose else ():
            numbers += [value for row in bone.matrix for value in row]
    return numbers


def state_after(path, frames):
    bpy.ops.wm.open_mainfile(filepath=path)
    for frame in frames:
        bpy.context.scene.frame_set(frame)
    return state(bpy.context.evaluated_depsgraph_get())


def seen(path):
    """What is listed for a file, and whether its last frame differs between a jump and playing."""
    bpy.ops.wm.open_mainfile(filepath=path)
    listed = inspect(FOLDER)["scenes"][0]["historyDependences"]
    # Playing writes fluid to its cache folder, so the jump comes first.
    jumped = state_after(path, [LAST_FRAME])
    played = state_after(path, range(1, LAST_FRAME + 1))
    return {"differs": jumped != played, "listed": listed}


def show(case):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.frame_end = LAST_FRAME
    case()
    path = os.path.join(FOLDER, f"{case.__name__}.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    unbaked = seen(path)
    bpy.ops.wm.open_mainfile(filepath=path)
    baked_path = os.path.join(FOLDER, f"{case.__name__}-baked.blend")
    bpy.ops.wm.save_as_mainfile(filepath=baked_path)
    if not bake(case):
        return {"unbaked": unbaked, "baked": None}
    bpy.ops.wm.save_as_mainfile(filepath=baked_path)
    return {"unbaked": unbaked, "baked": seen(baked_path)}


RESULTS = {name: show(globals()[name]) for name in WANTED}
with open(os.path.join(FOLDER, "history.json"), "w", encoding="utf-8") as stream:
    json.dump(RESULTS, stream, indent=1)
