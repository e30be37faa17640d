"""Makes the small scenes of the tests: blender -b --factory-startup --python examples/make-test-scenes.py -- FOLDER

README.md lists them. All are 64×36, 4 samples, not denoised, and take a blink to render.
"""

import math
import os
import sys

import bpy

FOLDER = os.path.abspath(sys.argv[sys.argv.index("--") + 1])


# --- building blocks ---


def start_scene(engine="CYCLES", camera=True):
    """An empty file with a lamp, a floor and (mostly) a camera."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    # No `.blend1` beside each file.
    bpy.context.preferences.filepaths.save_version = 0
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 36, 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = "//frames/"
    scene.frame_start, scene.frame_end = 1, 8
    scene.cycles.samples, scene.cycles.max_bounces = 4, 2
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    if hasattr(scene, "eevee"):
        scene.eevee.taa_render_samples = 4
    scene.world = bpy.data.worlds.new("World")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.25, 0.3, 0.4, 1)
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.context.object.data.energy = 3
    bpy.ops.mesh.primitive_plane_add(size=20)
    if camera:
        add_camera(scene, "Camera", (0, -6, 3))
    return scene


def add_camera(scene, name, location):
    bpy.ops.object.camera_add(location=location, rotation=(math.radians(64), 0, 0))
    block = bpy.context.object
    block.name = block.data.name = name
    scene.camera = block
    return block


def add_cube(scene, material=None, turning=True):
    bpy.ops.mesh.primitive_cube_add(size=2, location=(0, 0, 1))
    cube = bpy.context.object
    cube.data.materials.append(material or colour_material("Red", (0.8, 0.1, 0.05, 1)))
    if turning:
        cube.keyframe_insert("rotation_euler", frame=scene.frame_start)
        cube.rotation_euler.z = math.radians(80)
        cube.keyframe_insert("rotation_euler", frame=scene.frame_end)
    return cube


def colour_material(name, colour):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colour
    return material


def image_material(name, path):
    """A material with an image texture; `path` is written into the .blend as it stands."""
    material = colour_material(name, (1, 1, 1, 1))
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(path) if os.path.isfile(path) else missing_image(path)
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


def missing_image(path):
    image = bpy.data.images.new(os.path.basename(path), 1, 1)
    image.source = "FILE"
    image.filepath = path
    return image


def write_checker(path, dark=(0.05, 0.1, 0.3, 1), light=(0.9, 0.7, 0.2, 1), size=32):
    image = bpy.data.images.new("checker", size, size)
    pixels = []
    for y in range(size):
        for x in range(size):
            pixels.extend(light if (x * 4 // size + y * 4 // size) % 2 else dark)
    image.pixels = pixels
    image.filepath_raw = path
    image.file_format = "PNG"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image.save()
    bpy.data.images.remove(image)


def save(name):
    """Saves under FOLDER and makes all paths relative to the file, as artists' projects have them."""
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)


# --- the scenes ---


def make_cube():
    add_cube(start_scene())
    save("cube/cube.blend")


def make_textured():
    scene = start_scene()
    checker = os.path.join(FOLDER, "textured/textures/checker.png")
    write_checker(checker)
    add_cube(scene, image_material("Checker", checker))
    save("textured/textured.blend")


def make_linked():
    scene = start_scene()
    checker = os.path.join(FOLDER, "linked/textures/checker.png")
    write_checker(checker)
    cube = add_cube(scene, image_material("Checker", checker), turning=False)
    cube.name = "Crate"
    crates = bpy.data.collections.new("Crates")
    crates.objects.link(cube)
    crates.use_fake_user = True
    for block in list(bpy.data.objects):
        if block is not cube:
            bpy.data.objects.remove(block)
    library = os.path.join(FOLDER, "linked/library/crate.blend")
    save("linked/library/crate.blend")

    scene = start_scene()
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.collections = ["Crates"]
    empty = bpy.data.objects.new("Crate", None)
    empty.instance_type = "COLLECTION"
    empty.instance_collection = bpy.data.collections["Crates"]
    scene.collection.objects.link(empty)
    save("linked/scenes/linked.blend")


def make_eevee():
    # BLENDER_EEVEE_NEXT was its name in Blender 4.2 to 4.5.
    engines = bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items.keys()
    add_cube(start_scene("BLENDER_EEVEE" if "BLENDER_EEVEE_NEXT" not in engines else "BLENDER_EEVEE_NEXT"))
    save("eevee/eevee.blend")


def make_animated_camera():
    scene = start_scene()
    add_cube(scene, turning=False)
    camera = scene.camera
    camera.keyframe_insert("location", frame=1)
    camera.location = (3, -5, 3.5)
    camera.keyframe_insert("location", frame=8)
    second = add_camera(scene, "Close", (0, -4, 2.5))
    scene.camera = camera
    # A marker changes the camera within the animation, without anything else in the file saying so.
    scene.timeline_markers.new("wide", frame=1).camera = camera
    scene.timeline_markers.new("close", frame=6).camera = second
    save("animated-camera/animated-camera.blend")


def make_history():
    scene = start_scene()
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.8, location=(0, 0, 1))
    bpy.context.object.modifiers.new("Collision", "COLLISION")
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=12, y_subdivisions=12, size=3, location=(0, 0, 2))
    bpy.context.object.name = "Sheet"
    bpy.context.object.data.materials.append(colour_material("Green", (0.1, 0.6, 0.2, 1)))
    bpy.context.object.modifiers.new("Cloth", "CLOTH")
    scene.frame_end = 12
    save("history/history.blend")


def make_file_output():
    scene = start_scene()
    add_cube(scene)
    bpy.context.view_layer.use_pass_z = True
    tree, output = compositor(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    tree.links.new(layers.outputs["Image"], output)
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.name = "Depth"
    if hasattr(node.format, "media_type"):
        node.format.media_type = "IMAGE"
    node.format.file_format = "OPEN_EXR"
    # Blender 5.0 took `base_path` and the slots apart.
    if hasattr(node, "base_path"):
        node.base_path = "//depth/"
        node.file_slots[0].path = "depth"
        tree.links.new(layers.outputs["Depth"], node.inputs[0])
    else:
        node.directory, node.file_name = "//depth/", ""
        node.file_output_items.new("FLOAT", "depth")
        tree.links.new(layers.outputs["Depth"], node.inputs["depth"])
    save("file-output/file-output.blend")


def compositor(scene):
    """(node tree, its output socket), emptied."""
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
        return tree, tree.nodes.new("NodeGroupOutput").inputs["Image"]
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree, scene.node_tree.nodes.new("CompositorNodeComposite").inputs["Image"]


def make_stereo():
    scene = start_scene()
    add_cube(scene)
    scene.render.use_multiview = True
    scene.render.views_format = "STEREO_3D"
    scene.render.image_settings.views_format = "INDIVIDUAL"
    save("stereo/stereo.blend")


def make_missing_texture():
    scene = start_scene()
    add_cube(scene, image_material("Wood", "//textures/not-there.png"))
    save("missing-texture/missing-texture.blend")


def make_no_camera():
    add_cube(start_scene(camera=False))
    save("no-camera/no-camera.blend")


def make_denoised():
    scene = start_scene()
    add_cube(scene)
    scene.cycles.use_denoising = True
    save("denoised/denoised.blend")


def make_movie():
    scene = start_scene()
    add_cube(scene)
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "VIDEO"
    scene.render.image_settings.file_format = "FFMPEG"
    save("movie/movie.blend")


make_cube()
make_textured()
make_linked()
make_eevee()
make_animated_camera()
make_history()
make_file_output()
make_stereo()
make_missing_texture()
make_no_camera()
make_denoised()
make_movie()
