"""Makes the scene of `pictor demo`: blender -b --factory-startup --python examples/make-sample-scene.py -- OUT.blend

A still life with an orrery: 24 frames that close to a loop, 480×270, Cycles. It is lit so that few samples look clean without a
denoiser, which not every Blender build has: a smooth sky found by the surfaces themselves, one sun, sharp reflections, no caustics.
"""

import math
import os
import sys

import bpy
from mathutils import Vector

OUT = os.path.abspath(sys.argv[sys.argv.index("--") + 1])
FRAMES = 24
GLOBE = (0, 0, 2.1)
# The light of the sky: its share that rays look for, and its share by the slope of a surface.
SKY_LIGHT, SLOPE_LIGHT = 0.34, 0.26

# --- palette, in linear light ---

PLASTER = (0.80, 0.50, 0.40, 1)
CREAM = (0.86, 0.76, 0.62, 1)
TERRACOTTA = (0.58, 0.13, 0.06, 1)
TEAL = (0.012, 0.13, 0.15, 1)
MUSTARD = (0.80, 0.36, 0.05, 1)
BRASS = (0.95, 0.62, 0.24, 1)
PEARL = (0.92, 0.90, 0.87, 1)
CORAL = (0.85, 0.16, 0.10, 1)


# --- materials ---


def new_material(name):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes.clear()
    return material, material.node_tree.nodes, material.node_tree.links


def matte(name, colour):
    """Plain diffuse: a rough highlight would only add noise."""
    material, nodes, links = new_material(name)
    links.new(lit_body(material, colour), nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def lit_body(material, colour):
    """A diffuse surface that gets half of its sky from its own slope: that half has no noise."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    body, sky, both = nodes.new("ShaderNodeBsdfDiffuse"), nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeAddShader")
    body.inputs["Color"].default_value = colour
    geometry, split, slope = nodes.new("ShaderNodeNewGeometry"), nodes.new("ShaderNodeSeparateXYZ"), nodes.new("ShaderNodeMapRange")
    slope.inputs["From Min"].default_value = -1
    ramp = nodes.new("ShaderNodeValToRGB")
    ground, zenith = ramp.color_ramp.elements
    ground.color = tuple(a * b for a, b in zip(colour, (0.55, 0.34, 0.27))) + (1,)
    zenith.color = tuple(a * b for a, b in zip(colour, (0.62, 0.66, 0.76))) + (1,)
    links.new(geometry.outputs["Normal"], split.inputs[0])
    links.new(split.outputs["Z"], slope.inputs["Value"])
    links.new(slope.outputs[0], ramp.inputs[0])
    links.new(ramp.outputs[0], sky.inputs["Color"])
    sky.inputs["Strength"].default_value = SLOPE_LIGHT
    links.new(body.outputs[0], both.inputs[0])
    links.new(sky.outputs[0], both.inputs[1])
    never_a_lamp(material)
    return both.outputs[0]


def never_a_lamp(material):
    """Glowing surfaces are found by the rays that meet them, and not aimed at: no noise from choosing among them."""
    # Renamed in Blender 3.5.
    if hasattr(material.cycles, "sample_as_light"):
        material.cycles.sample_as_light = False
    else:
        material.cycles.emission_sampling = "NONE"


def polished(name, colour):
    material, nodes, links = new_material(name)
    surface = nodes.new("ShaderNodeBsdfGlossy")
    surface.inputs["Color"].default_value = colour
    surface.inputs["Roughness"].default_value = 0
    links.new(surface.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def glazed(name, colour):
    """Diffuse under a clear coat that mirrors more at grazing angles."""
    material, nodes, links = new_material(name)
    coat = nodes.new("ShaderNodeBsdfGlossy")
    coat.inputs["Roughness"].default_value = 0
    fresnel, mix = nodes.new("ShaderNodeFresnel"), nodes.new("ShaderNodeMixShader")
    fresnel.inputs["IOR"].default_value = 1.5
    links.new(fresnel.outputs[0], mix.inputs[0])
    links.new(lit_body(material, colour), mix.inputs[1])
    links.new(coat.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def glass(name, colour):
    """Clear glass whose shadow is a tint: real caustics would need thousands of samples."""
    material, nodes, links = new_material(name)
    body, shadow = nodes.new("ShaderNodeBsdfGlass"), nodes.new("ShaderNodeBsdfTransparent")
    body.inputs["Color"].default_value = colour
    body.inputs["Roughness"].default_value = 0
    body.inputs["IOR"].default_value = 1.45
    shadow.inputs["Color"].default_value = (0.72, 0.80, 0.80, 1)
    path, mix = nodes.new("ShaderNodeLightPath"), nodes.new("ShaderNodeMixShader")
    links.new(path.outputs["Is Shadow Ray"], mix.inputs[0])
    links.new(body.outputs[0], mix.inputs[1])
    links.new(shadow.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


# --- shapes ---


def add_mesh(name, vertices, faces, material, smooth=True):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    for polygon in mesh.polygons:
        polygon.use_smooth = smooth
    mesh.materials.append(material)
    block = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(block)
    return block


def lathe(name, profile, material, segments=96, ridges=0, depth=0.0):
    """A solid of revolution; `profile` is [(radius, height)] from bottom to top, `ridges` flutes it."""
    vertices, faces = [], []
    for radius, height in profile:
        for step in range(segments):
            angle = math.tau * step / segments
            flute = 1 - depth * abs(math.sin(angle * ridges / 2)) if ridges else 1
            vertices.append((radius * flute * math.cos(angle), radius * flute * math.sin(angle), height))
    for ring in range(len(profile) - 1):
        for step in range(segments):
            here, beside = ring * segments + step, ring * segments + (step + 1) % segments
            faces.append((here, beside, beside + segments, here + segments))
    faces.append(tuple(reversed(range(segments))))
    faces.append(tuple((len(profile) - 1) * segments + step for step in range(segments)))
    return add_mesh(name, vertices, faces, material)


def rounded_disc(radius, height, edge):
    """Profile of a flat cylinder with rounded edges; the doubled rings keep its faces flat under smooth shading."""
    profile = [(radius - edge - 0.01, 0), (radius - edge, 0)]
    steps = 6
    for step in range(1, steps + 1):
        angle = math.pi / 2 * step / steps
        profile.append((radius - edge + edge * math.sin(angle), edge - edge * math.cos(angle)))
    profile += [(radius, edge + 0.01), (radius, height - edge - 0.01)]
    for step in range(steps + 1):
        angle = math.pi / 2 * step / steps
        profile.append((radius - edge + edge * math.cos(angle), height - edge + edge * math.sin(angle)))
    return profile + [(radius - edge - 0.01, height)]


def drum(name, radius, height, material, location, edge=0.04):
    block = lathe(name, rounded_disc(radius, height, edge), material)
    block.location = location
    return block


def ball(name, radius, material, location):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=radius, location=location)
    bpy.ops.object.shade_smooth()
    block = bpy.context.object
    block.name = name
    block.data.materials.append(material)
    return block


def ring(name, radius, thickness, material, location, rotation):
    bpy.ops.mesh.primitive_torus_add(
        major_segments=160, minor_segments=24, major_radius=radius, minor_radius=thickness, location=location, rotation=rotation
    )
    bpy.ops.object.shade_smooth()
    block = bpy.context.object
    block.name = name
    block.data.materials.append(material)
    return block


def arch(name, width, height, thickness, depth, material, location, turn):
    """A gate: two posts under half a ring."""
    outer, inner, steps = width / 2, width / 2 - thickness, 48
    spring = height - outer
    outline = [(-outer, 0)] + [
        (-outer * math.cos(math.pi * step / steps), spring + outer * math.sin(math.pi * step / steps))
        for step in range(steps + 1)
    ]
    outline += [(outer, 0), (inner, 0)] + [
        (inner * math.cos(math.pi * step / steps), spring + inner * math.sin(math.pi * step / steps))
        for step in range(steps + 1)
    ]
    outline.append((-inner, 0))
    count = len(outline)
    vertices = [(x, y, z) for y in (-depth / 2, depth / 2) for x, z in outline]
    half = steps + 3
    faces = []
    for step in range(half - 1):
        a, b, c, d = step, step + 1, count - 2 - step, count - 1 - step
        faces += [(a, d, c, b), (a + count, b + count, c + count, d + count)]
    for step in range(count):
        after = (step + 1) % count
        faces.append((step, after, after + count, step + count))
    block = add_mesh(name, vertices, faces, material, smooth=False)
    block.location, block.rotation_euler.z = location, turn
    bevel = block.modifiers.new("Bevel", "BEVEL")
    bevel.width, bevel.segments, bevel.limit_method, bevel.angle_limit = 0.03, 3, "ANGLE", math.radians(50)
    return block


def backdrop(material):
    """Floor and wall in one sweep, so that there is no horizon."""
    radius, width, depth, height = 2.5, 40, 7.0, 16
    profile = [(-30, 0), (depth - radius, 0)]
    for step in range(1, 17):
        angle = math.pi / 2 * step / 16
        profile.append((depth - radius + radius * math.sin(angle), radius - radius * math.cos(angle)))
    profile.append((depth, height))
    vertices = [(x, y, z) for y, z in profile for x in (-width, width)]
    faces = [(2 * step, 2 * step + 1, 2 * step + 3, 2 * step + 2) for step in range(len(profile) - 1)]
    return add_mesh("Backdrop", vertices, faces, material)


# --- light ---


def make_sky(scene):
    world = scene.world = bpy.data.worlds.new("Sky")
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    place, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    ramp, background = nodes.new("ShaderNodeValToRGB"), nodes.new("ShaderNodeBackground")
    shift = nodes.new("ShaderNodeMapRange")
    shift.inputs["From Min"].default_value, shift.inputs["From Max"].default_value = -0.2, 1
    stops = ramp.color_ramp.elements
    stops[0].position, stops[0].color = 0.0, (0.85, 0.46, 0.32, 1)
    stops[1].position, stops[1].color = 1.0, (0.42, 0.62, 0.95, 1)
    middle = stops.new(0.35)
    middle.color = (0.95, 0.80, 0.70, 1)
    links.new(place.outputs["Generated"], split.inputs[0])
    links.new(split.outputs["Z"], shift.inputs["Value"])
    links.new(shift.outputs[0], ramp.inputs[0])
    links.new(ramp.outputs[0], background.inputs["Color"])
    # Mirrors and glass see the sky in full.
    path, strength = nodes.new("ShaderNodeLightPath"), nodes.new("ShaderNodeMapRange")
    strength.inputs["To Min"].default_value, strength.inputs["To Max"].default_value = 0.8, SKY_LIGHT
    links.new(path.outputs["Is Diffuse Ray"], strength.inputs["Value"])
    links.new(strength.outputs[0], background.inputs["Strength"])
    links.new(background.outputs[0], nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    # Diffuse surfaces find a smooth sky with less noise than a lamp's sampling of it would.
    world.cycles.sampling_method = "NONE"


def add_sun():
    bpy.ops.object.light_add(type="SUN", rotation=(math.radians(48), math.radians(-8), math.radians(-42)))
    sun = bpy.context.object.data
    sun.energy, sun.angle, sun.color = 4.2, math.radians(2), (1.0, 0.88, 0.74)


def add_softbox(name, location, size, strength, colour):
    """A window that only mirrors see: highlights without noise."""
    bpy.ops.mesh.primitive_plane_add(size=1, location=location)
    box = bpy.context.object
    box.name, box.scale = name, (size[0], size[1], 1)
    box.rotation_euler = (Vector((0, 0, 1)) - Vector(location)).to_track_quat("Z", "Y").to_euler()
    material, nodes, links = new_material(name)
    light = nodes.new("ShaderNodeEmission")
    light.inputs["Color"].default_value, light.inputs["Strength"].default_value = colour, strength
    links.new(light.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    box.data.materials.append(material)
    never_a_lamp(material)
    box.visible_camera = box.visible_diffuse = box.visible_shadow = False


# --- the scene ---


def build():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0
    scene = bpy.context.scene
    configure(scene)
    make_sky(scene)
    add_sun()
    add_softbox("Window left", (-7, -6, 6), (3, 6), 5.0, (1.0, 0.95, 0.88, 1))
    add_softbox("Window right", (8, -3, 4), (1.2, 6), 3.0, (0.75, 0.88, 1.0, 1))

    plaster, cream = matte("Plaster", PLASTER), matte("Cream", CREAM)
    terracotta, mustard = matte("Terracotta", TERRACOTTA), matte("Mustard", MUSTARD)
    teal, coral, pearl = glazed("Teal", TEAL), glazed("Coral", CORAL), glazed("Pearl", PEARL)
    brass, clear = polished("Brass", BRASS), glass("Glass", (0.97, 0.99, 1.0, 1))

    backdrop(plaster)
    # The podium with the orrery.
    drum("Step", 1.75, 0.22, cream, (0, 0, 0))
    drum("Podium", 1.25, 0.5, terracotta, (0, 0, 0.22))
    drum("Plate", 1.0, 0.08, cream, (0, 0, 0.72), edge=0.03)
    lathe("Stem", [(0.34, 0), (0.3, 0.03), (0.12, 0.14), (0.08, 0.36), (0.15, 0.56), (0.26, 0.62)], brass).location.z = 0.8
    ball("Globe", 0.72, clear, GLOBE)
    orrery(brass, [coral, pearl, teal])
    # Left: a gate, and what stands around it.
    arch("Gate", 1.9, 3.1, 0.42, 0.8, mustard, (-2.75, 1.5, 0), math.radians(18))
    arch("Inner gate", 1.0, 2.1, 0.3, 0.6, cream, (-2.75, 1.5, 0), math.radians(18))
    drum("Drum", 0.55, 0.5, teal, (-2.3, -0.75, 0))
    ball("Large pearl", 0.34, pearl, (-2.3, -0.75, 0.84))
    # Right: a fluted column with a golden ball.
    column = lathe("Column", rounded_disc(0.5, 2.0, 0.03), cream, segments=240, ridges=20, depth=0.09)
    column.location = (2.75, 1.2, 0.16)
    drum("Column base", 0.68, 0.16, cream, (2.75, 1.2, 0))
    drum("Column head", 0.66, 0.16, cream, (2.75, 1.2, 2.16))
    ball("Golden ball", 0.46, brass, (2.75, 1.2, 2.78))
    drum("Low drum", 0.7, 0.3, coral, (2.15, -0.9, 0))
    cone = lathe("Cone", [(0.4, 0), (0.41, 0.02), (0.39, 0.06), (0.02, 0.98), (0.005, 1.0)], teal)
    cone.location = (2.15, -0.9, 0.3)
    ball("Marble", 0.16, brass, (-1.1, -1.75, 0.16))
    ball("Small marble", 0.11, coral, (1.05, -1.9, 0.11))
    # The disc on the wall.
    disc = drum("Disc", 1.75, 0.12, terracotta, (0.75, 6.1, 2.65))
    disc.rotation_euler.x = math.radians(90)
    add_camera(scene)


def orrery(brass, materials):
    """Two rings around the globe, and three planets that go round once."""
    tilt = (math.radians(52), math.radians(14), 0)
    ring("Orbit", 1.28, 0.035, brass, GLOBE, tilt)
    ring("Meridian", 1.0, 0.022, brass, GLOBE, (math.radians(90), 0, math.radians(30)))
    pivot = bpy.data.objects.new("Orrery", None)
    bpy.context.scene.collection.objects.link(pivot)
    tilted = bpy.data.objects.new("Orbit plane", None)
    bpy.context.scene.collection.objects.link(tilted)
    tilted.location, tilted.rotation_euler = GLOBE, tilt
    pivot.parent = tilted
    for number, (material, radius) in enumerate(zip(materials, (0.17, 0.22, 0.2))):
        angle = math.tau * number / 3
        planet = ball(f"Planet {number + 1}", radius, material, (1.28 * math.cos(angle), 1.28 * math.sin(angle), 0))
        planet.parent = pivot
    for frame in range(1, FRAMES + 1):
        pivot.rotation_euler.z = math.tau * (frame - 1) / FRAMES
        pivot.keyframe_insert("rotation_euler", index=2, frame=frame)


def add_camera(scene):
    bpy.ops.object.camera_add()
    camera = scene.camera = bpy.context.object
    camera.data.lens = 50
    for frame in range(1, FRAMES + 1):
        phase = math.tau * (frame - 1) / FRAMES
        angle = math.radians(9 * math.sin(phase))
        camera.location = (12.5 * math.sin(angle), -12.5 * math.cos(angle), 3.3 + 0.25 * math.cos(phase))
        camera.rotation_euler = (Vector((0, 0.2, 1.7)) - camera.location).to_track_quat("-Z", "Y").to_euler()
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)


def configure(scene):
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 480, 270, 100
    render.fps = 12
    render.image_settings.file_format = "PNG"
    render.filepath = "//frames/"
    scene.frame_start, scene.frame_end = 1, FRAMES
    cycles.samples = 16
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 6, 1, 3, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    # The second diffuse bounce is taken from the sky: most of the light, a fraction of the time.
    cycles.use_fast_gi, cycles.ao_bounces_render = True, 1
    scene.view_settings.view_transform = "Filmic"
    # Named after its view transform since Blender 4.0.
    for look in ("High Contrast", "Filmic - High Contrast"):
        try:
            scene.view_settings.look = look
        except TypeError:
            continue


build()
bpy.ops.wm.save_as_mainfile(filepath=OUT)
