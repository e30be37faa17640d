"""Makes the scenes of the tests: `blender -b --factory-startup --python make_scenes.py -- FOLDER`. One feature or more in each."""

import math
import os
import sys

import bpy

FOLDER = sys.argv[sys.argv.index("--") + 1]


def begin(engine="CYCLES"):
    bpy.ops.wm.read_factory_settings(use_empty=False)
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.render.image_settings.color_mode = "RGB"
    scene.cycles.samples = 2
    scene.cycles.use_denoising = False
    scene.eevee.taa_render_samples = 2
    # Every frame looks different: a frame that is a copy of another is seen.
    camera = scene.camera
    camera.keyframe_insert("location", frame=1)
    camera.location.x -= 2
    camera.keyframe_insert("location", frame=10)
    return scene


def save(name):
    path = os.path.join(FOLDER, name)
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=True)


def cube():
    return bpy.data.objects["Cube"]


def material(name, color=(0.8, 0.2, 0.1, 1)):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
    return made


def picture_file(name, color):
    image = bpy.data.images.new(name, 16, 16, alpha=False)
    image.pixels = [
        channel * (0.3 + 0.7 * ((x // 4 + y // 4) % 2)) if index < 3 else 1.0
        for y in range(16)
        for x in range(16)
        for index, channel in enumerate(color)
    ]
    image.filepath_raw = os.path.join(FOLDER, "textures", name)
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)


def textured(path, sequence_frames=0):
    made = material("textured")
    nodes = made.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(os.path.join(FOLDER, path))
    if sequence_frames:
        texture.image.source = "SEQUENCE"
        texture.image_user.frame_duration = sequence_frames
        texture.image_user.frame_start = 1
        texture.image_user.use_auto_refresh = True
    made.node_tree.links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def plain():
    begin()
    save("plain.blend")


def library():
    begin()
    made = material("linked", (0.1, 0.6, 0.2, 1))
    cube().data.materials.clear()
    cube().data.materials.append(made)
    cube().name = "Linked"
    save("parts/library.blend")


def materials():
    """Image texture, image sequence, linked library, modifiers, animated material, light, visibility and depth of field."""
    scene = begin()
    cube().data.materials.clear()
    cube().data.materials.append(textured("textures/a.png"))
    bevel = cube().modifiers.new("bevel", "BEVEL")
    bevel.width = 0.2
    array = cube().modifiers.new("array", "ARRAY")
    array.count = 2
    array.keyframe_insert("count", frame=1)
    array.count = 3
    array.keyframe_insert("count", frame=3)
    with bpy.data.libraries.load(os.path.join(FOLDER, "parts/library.blend"), link=True) as (_, wanted):
        wanted.objects = ["Linked"]
    linked = wanted.objects[0]
    empty = bpy.data.objects.new("place", None)
    scene.collection.objects.link(empty)
    collection = bpy.data.collections.new("instanced")
    collection.objects.link(linked)
    empty.instance_type = "COLLECTION"
    empty.instance_collection = collection
    empty.location = (0, 2.5, 0)
    bpy.ops.mesh.primitive_uv_sphere_add(location=(2, -2, 0), segments=12, ring_count=8)
    sphere = bpy.context.object
    sphere.data.materials.append(textured("textures/s_0001.png", 3))
    sphere.hide_render = False
    sphere.keyframe_insert("hide_render", frame=1)
    sphere.hide_render = True
    sphere.keyframe_insert("hide_render", frame=3)
    bpy.ops.mesh.primitive_monkey_add(location=(-2.5, 0, 0))
    glow = material("glow")
    emission = glow.node_tree.nodes["Principled BSDF"].inputs["Emission"]
    emission.default_value = (0, 0, 1, 1)
    emission.keyframe_insert("default_value", frame=1)
    emission.default_value = (1, 1, 0, 1)
    emission.keyframe_insert("default_value", frame=3)
    bpy.context.object.data.materials.append(glow)
    bpy.context.object.modifiers.new("subdivision", "SUBSURF").render_levels = 2
    light = bpy.data.lights["Light"]
    light.keyframe_insert("energy", frame=1)
    light.energy *= 3
    light.keyframe_insert("energy", frame=3)
    world = scene.world.node_tree.nodes["Background"].inputs["Color"]
    world.keyframe_insert("default_value", frame=1)
    world.default_value = (0.3, 0.1, 0.1, 1)
    world.keyframe_insert("default_value", frame=3)
    scene.camera.data.dof.use_dof = True
    scene.camera.data.dof.focus_object = cube()
    scene.camera.data.dof.aperture_fstop = 0.5
    save("materials.blend")


def motion():
    """Motion blur of moving, turning and deforming things, shape keys, an armature-free wave, a volume, instances on points."""
    scene = begin()
    scene.render.use_motion_blur = True
    cube().keyframe_insert("location", frame=1)
    cube().keyframe_insert("rotation_euler", frame=1)
    cube().location.z = 2
    cube().rotation_euler.z = 3
    cube().keyframe_insert("location", frame=4)
    cube().keyframe_insert("rotation_euler", frame=4)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=12, y_subdivisions=12, size=5, location=(0, 0, -1))
    bpy.context.object.modifiers.new("wave", "WAVE").height = 0.8
    bpy.ops.mesh.primitive_uv_sphere_add(location=(2, 1, 1), segments=12, ring_count=8)
    sphere = bpy.context.object
    sphere.shape_key_add(name="Basis")
    key = sphere.shape_key_add(name="tall")
    for point in key.data:
        point.co.z *= 2
    key.value = 0
    key.keyframe_insert("value", frame=1)
    key.value = 1
    key.keyframe_insert("value", frame=3)
    bpy.ops.mesh.primitive_cube_add(location=(-2, 2, 1))
    fog = bpy.data.materials.new("fog")
    fog.use_nodes = True
    fog.node_tree.nodes.clear()
    output = fog.node_tree.nodes.new("ShaderNodeOutputMaterial")
    volume = fog.node_tree.nodes.new("ShaderNodeVolumePrincipled")
    fog.node_tree.links.new(volume.outputs["Volume"], output.inputs["Volume"])
    density = volume.inputs["Density"]
    density.default_value = 0.2
    density.keyframe_insert("default_value", frame=1)
    density.default_value = 2
    density.keyframe_insert("default_value", frame=3)
    bpy.context.object.data.materials.append(fog)
    bpy.ops.mesh.primitive_ico_sphere_add(location=(0, -3, 0), subdivisions=1)
    parent = bpy.context.object
    bpy.ops.mesh.primitive_cone_add(radius1=0.2, depth=0.6)
    cone = bpy.context.object
    cone.parent = parent
    parent.instance_type = "VERTS"
    parent.keyframe_insert("rotation_euler", frame=1)
    parent.rotation_euler.x = 2
    parent.keyframe_insert("rotation_euler", frame=3)
    save("motion.blend")


def hair():
    scene = begin()
    system = cube().modifiers.new("hair", "PARTICLE_SYSTEM").particle_system
    system.settings.type = "HAIR"
    system.settings.count = 400
    system.settings.hair_length = 1
    cube().keyframe_insert("rotation_euler", frame=1)
    cube().rotation_euler.z = 1
    cube().keyframe_insert("rotation_euler", frame=3)
    scene.cycles.samples = 8
    save("hair.blend")


def adaptive():
    """Dicing follows the camera."""
    scene = begin()
    scene.cycles.feature_set = "EXPERIMENTAL"
    scene.cycles.dicing_rate = 2
    modifier = cube().modifiers.new("subdivision", "SUBSURF")
    modifier.render_levels = 2
    cube().cycles.use_adaptive_subdivision = True
    made = material("bumps")
    made.cycles.displacement_method = "DISPLACEMENT"
    nodes = made.node_tree.nodes
    noise = nodes.new("ShaderNodeTexNoise")
    displacement = nodes.new("ShaderNodeDisplacement")
    made.node_tree.links.new(noise.outputs["Fac"], displacement.inputs["Height"])
    made.node_tree.links.new(displacement.outputs["Displacement"], nodes["Material Output"].inputs["Displacement"])
    cube().data.materials.clear()
    cube().data.materials.append(made)
    scene.camera.location.x += 10
    scene.camera.keyframe_insert("location", frame=1)
    scene.camera.location = (3, -3, 2)
    scene.camera.keyframe_insert("location", frame=3)
    save("adaptive.blend")


def points():
    """Points whose radius changes."""
    scene = begin()
    scene.cycles.samples = 8
    cube().location = (2, 2, 0)
    tree = bpy.data.node_groups.new("points", "GeometryNodeTree")
    tree.inputs.new("NodeSocketGeometry", "Geometry")
    tree.outputs.new("NodeSocketGeometry", "Geometry")
    time = tree.nodes.new("GeometryNodeInputSceneTime")
    make = tree.nodes.new("GeometryNodeMeshToPoints")
    tree.links.new(tree.nodes.new("NodeGroupInput").outputs[0], make.inputs["Mesh"])
    tree.links.new(time.outputs["Seconds"], make.inputs["Radius"])
    tree.links.new(make.outputs["Points"], tree.nodes.new("NodeGroupOutput").inputs[0])
    cube().modifiers.new("points", "NODES").node_group = tree
    save("points.blend")


def scattered():
    """Instances on points, more of them and turned in each frame; drivers that read the range of frames."""
    scene = begin()
    scene.frame_end = 20
    tree = bpy.data.node_groups.new("scattered", "GeometryNodeTree")
    tree.inputs.new("NodeSocketGeometry", "Geometry")
    tree.outputs.new("NodeSocketGeometry", "Geometry")
    time = tree.nodes.new("GeometryNodeInputSceneTime")
    scatter = tree.nodes.new("GeometryNodeDistributePointsOnFaces")
    instance = tree.nodes.new("GeometryNodeInstanceOnPoints")
    cone = tree.nodes.new("GeometryNodeMeshCone")
    cone.inputs["Radius Bottom"].default_value = 0.3
    tree.links.new(tree.nodes.new("NodeGroupInput").outputs[0], scatter.inputs["Mesh"])
    tree.links.new(time.outputs["Frame"], scatter.inputs["Density"])
    tree.links.new(scatter.outputs["Points"], instance.inputs["Points"])
    tree.links.new(cone.outputs["Mesh"], instance.inputs["Instance"])
    tree.links.new(time.outputs["Seconds"], instance.inputs["Rotation"])
    tree.links.new(instance.outputs["Instances"], tree.nodes.new("NodeGroupOutput").inputs[0])
    cube().modifiers.new("scattered", "NODES").node_group = tree
    driver = bpy.data.objects["Light"].driver_add("location", 0).driver
    end = driver.variables.new()
    end.name = "end"
    end.targets[0].id_type = "SCENE"
    end.targets[0].id = scene
    end.targets[0].data_path = "frame_end"
    driver.expression = "frame / end * 30"
    scene.view_settings.exposure = 0
    scene.view_settings.keyframe_insert("exposure", frame=1)
    scene.view_settings.exposure = 2
    scene.view_settings.keyframe_insert("exposure", frame=3)
    save("scattered.blend")


def animated_settings():
    """Simplification that changes."""
    scene = begin()
    cube().modifiers.new("subdivision", "SUBSURF").render_levels = 4
    scene.render.use_simplify = True
    scene.render.simplify_subdivision_render = 0
    scene.render.keyframe_insert("simplify_subdivision_render", frame=1)
    scene.render.simplify_subdivision_render = 4
    scene.render.keyframe_insert("simplify_subdivision_render", frame=3)
    save("animated-settings.blend")


def layers():
    """Two view layers, a compositor that mixes them, File Output nodes of both kinds, one of them in a group."""
    scene = begin()
    scene.view_layers[0].name = "Front"
    back = scene.view_layers.new("Back")
    back.material_override = material("override", (0.1, 0.1, 0.9, 1))
    back.samples = 3
    scene.view_layers["Front"].use_pass_z = True
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    front_node = tree.nodes.new("CompositorNodeRLayers")
    front_node.layer = "Front"
    back_node = tree.nodes.new("CompositorNodeRLayers")
    back_node.layer = "Back"
    mix = tree.nodes.new("CompositorNodeMixRGB")
    blur = tree.nodes.new("CompositorNodeBlur")
    blur.size_x = blur.size_y = 3
    output = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(front_node.outputs["Image"], mix.inputs[1])
    tree.links.new(back_node.outputs["Image"], mix.inputs[2])
    tree.links.new(mix.outputs["Image"], blur.inputs["Image"])
    tree.links.new(blur.outputs["Image"], output.inputs["Image"])
    slots = tree.nodes.new("CompositorNodeOutputFile")
    slots.name = "Passes"
    slots.base_path = "//elsewhere/"
    slots.format.file_format = "OPEN_EXR"
    slots.file_slots.new("depth/Z#######_")
    slots.file_slots.new("unused")
    tree.links.new(front_node.outputs["Image"], slots.inputs[0])
    tree.links.new(front_node.outputs["Depth"], slots.inputs[1])
    layered = tree.nodes.new("CompositorNodeOutputFile")
    layered.name = "Layered"
    layered.format.file_format = "OPEN_EXR_MULTILAYER"
    layered.base_path = "//elsewhere/all"
    tree.links.new(back_node.outputs["Image"], layered.inputs[0])
    group = bpy.data.node_groups.new("writer", "CompositorNodeTree")
    group.inputs.new("NodeSocketColor", "Image")
    inner = group.nodes.new("CompositorNodeOutputFile")
    inner.name = "Inner"
    inner.label = "In a group: 1/2"
    group.links.new(group.nodes.new("NodeGroupInput").outputs[0], inner.inputs[0])
    writer = tree.nodes.new("CompositorNodeGroup")
    writer.node_tree = group
    tree.links.new(blur.outputs["Image"], writer.inputs[0])
    muted = tree.nodes.new("CompositorNodeOutputFile")
    muted.name = "Muted"
    muted.mute = True
    tree.links.new(back_node.outputs["Image"], muted.inputs[0])
    save("layers.blend")


def eevee():
    scene = begin("BLENDER_EEVEE")
    scene.eevee.use_bloom = True
    scene.eevee.use_gtao = True
    cube().data.materials.clear()
    cube().data.materials.append(textured("textures/a.png"))
    cube().keyframe_insert("location", frame=1)
    cube().location.z = 1
    cube().keyframe_insert("location", frame=3)
    save("eevee.blend")
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.shading.color_type = "TEXTURE"
    save("workbench.blend")


def stereo():
    scene = begin()
    scene.render.use_multiview = True
    scene.render.image_settings.views_format = "INDIVIDUAL"
    scene.use_nodes = True
    tree = scene.node_tree
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.format.views_format = "INDIVIDUAL"
    tree.links.new(tree.nodes["Render Layers"].outputs["Image"], node.inputs[0])
    save("stereo-individual.blend")
    node.format.views_format = "STEREO_3D"
    scene.render.image_settings.views_format = "STEREO_3D"
    scene.render.image_settings.stereo_3d_format.display_mode = "SIDEBYSIDE"
    save("stereo-3d.blend")
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.image_settings.views_format = "MULTIVIEW"
    save("stereo-multiview.blend")


def sequencer():
    """Strips, and a movie as format."""
    scene = begin()
    editor = scene.sequence_editor_create()
    color = editor.sequences.new_effect("color", "COLOR", channel=1, frame_start=1, frame_end=4)
    color.color = (0.1, 0.5, 0.9)
    text = editor.sequences.new_effect("text", "TEXT", channel=2, frame_start=2, frame_end=6)
    text.text = "frame"
    other = bpy.data.scenes.new("Other")
    other.render.engine = "BLENDER_WORKBENCH"
    scene.render.image_settings.file_format = "FFMPEG"
    save("sequencer.blend")


def scenes():
    """Several scenes, the last one active, with cameras, markers and layers of their own."""
    first = begin()
    first.name = "First"
    bpy.ops.scene.new(type="LINK_COPY")
    second = bpy.context.scene
    second.name = "Second"
    camera = bpy.data.objects.new("Top", bpy.data.cameras.new("Top"))
    camera.location = (0, 0, 8)
    second.collection.objects.link(camera)
    marked = bpy.data.objects.new("Marked", bpy.data.cameras.new("Marked"))
    marked.location = (0, -8, 0)
    marked.rotation_euler.x = math.pi / 2
    second.collection.objects.link(marked)
    marker = second.timeline_markers.new("switch", frame=2)
    marker.camera = marked
    extra = second.view_layers.new("Extra")
    extra.material_override = material("extra")
    second.frame_current = 7
    save("scenes.blend")


def cloth():
    """Unbaked: a frame needs those before it."""
    scene = begin()
    scene.camera.animation_data_clear()
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=15, y_subdivisions=15, size=4, location=(0, 0, 1.6))
    bpy.context.object.modifiers.new("cloth", "CLOTH")
    cube().modifiers.new("collision", "COLLISION")
    scene.frame_end = 12
    save("cloth.blend")


def without_camera():
    scene = begin()
    scene.camera = None
    save("without-camera.blend")


def missing():
    begin()
    cube().data.materials.clear()
    cube().data.materials.append(textured("textures/a.png"))
    bpy.data.images["a.png"].filepath = "//textures/not-there.png"
    save("missing.blend")


def demanding():
    """Needs some gigabytes, then more time than anybody has."""
    scene = begin()
    modifier = cube().modifiers.new("subdivision", "SUBSURF")
    modifier.levels = 0
    modifier.render_levels = 11
    save("memory.blend")
    cube().modifiers.clear()
    scene.cycles.samples = 1_000_000
    scene.cycles.use_adaptive_sampling = False
    save("endless.blend")


def scripted(name, script):
    """Freestyle runs Python in spite of everything that switches scripts off."""
    scene = begin()
    scene.render.use_freestyle = True
    text = bpy.data.texts.new("module.py")
    text.write(script)
    settings = scene.view_layers[0].freestyle_settings
    settings.mode = "SCRIPT"
    settings.modules.new().script = text
    save(name)


def impostor():
    scripted("impostor.blend", "import os\nfor i in range(9):\n    os.write(3, b'{\"id\":%d,\"ok\":true,\"result\":{}}\\n' % i)\n")


def linking():
    """Its picture would be a link to another file."""
    script = "import os\nos.symlink('/out/elsewhere.png', '/out/0001.png')\n"
    scripted("linking.blend", script)


def denoising():
    scene = begin()
    scene.cycles.use_denoising = True
    save("denoising.blend")
    scene.use_nodes = True
    tree = scene.node_tree
    node = tree.nodes.new("CompositorNodeDenoise")
    tree.links.new(tree.nodes["Render Layers"].outputs["Image"], node.inputs["Image"])
    tree.links.new(node.outputs["Image"], tree.nodes["Composite"].inputs["Image"])
    save("denoising-node.blend")


os.makedirs(os.path.join(FOLDER, "textures"), exist_ok=True)
os.makedirs(os.path.join(FOLDER, "parts"), exist_ok=True)
picture_file("a.png", (0.9, 0.6, 0.1, 1))
for number, tint in enumerate(((1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)), 1):
    picture_file(f"s_{number:04}.png", tint)
for make in (
    plain,
    library,
    materials,
    motion,
    hair,
    adaptive,
    points,
    scattered,
    animated_settings,
    layers,
    eevee,
    stereo,
    sequencer,
    scenes,
    cloth,
    without_camera,
    missing,
    demanding,
    impostor,
    linking,
    denoising,
):
    make()
