"""Makes a project whose scene refers to a file of every kind.

    blender -b --factory-startup --python make_references.py -- FOLDER LIBRARY

FOLDER/project/scenes/all.blend, beside the project what it names outside of itself, and in the folder LIBRARY what it links.
"""

import os
import struct
import sys
import wave

import bpy

FOLDER, LIBRARY = sys.argv[sys.argv.index("--") + 1 :]
PROJECT = os.path.join(FOLDER, "project")
bpy.context.preferences.filepaths.save_version = 0


def make_folder_of(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)


def write_picture(path, colour):
    image = bpy.data.images.new("picture", 8, 8)
    image.pixels = list(colour) * 64
    image.filepath_raw, image.file_format = path, "PNG"
    make_folder_of(path)
    image.save()
    bpy.data.images.remove(image)


def write_sound(path):
    make_folder_of(path)
    with wave.open(path, "wb") as stream:
        stream.setparams((1, 2, 8000, 0, "NONE", ""))
        stream.writeframes(struct.pack("<h", 0) * 800)


def write_bytes(path):
    make_folder_of(path)
    with open(path, "wb") as stream:
        stream.write(b"0")


def image(name, path, source="FILE"):
    block = bpy.data.images.new(name, 1, 1, tiled=source == "TILED")
    block.source = source
    block.filepath = path
    return block


def glowing(name, picture):
    """A material that shows the picture whatever the light, so that a wrong path is seen."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture, light = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeEmission")
    texture.image = picture
    links.new(texture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs["Emission"], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def plane(name, material, x):
    bpy.ops.mesh.primitive_plane_add(size=1, location=(x, 0, 0))
    block = bpy.context.object
    block.name = name
    block.data.materials.append(material)
    return block


def collection_of(name, block):
    collection = bpy.data.collections.new(name)
    collection.objects.link(block)
    collection.use_fake_user = True
    return collection


def instance(scene, name, x):
    empty = bpy.data.objects.new(name, None)
    empty.instance_type, empty.instance_collection = "COLLECTION", bpy.data.collections[name]
    empty.location.x = x
    scene.collection.objects.link(empty)


def link(path, collection, relative):
    with bpy.data.libraries.load(path, link=True, relative=relative) as (_, wanted):
        wanted.collections = [collection]


def save(path):
    make_folder_of(path)
    bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)


def empty_file():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0
    return bpy.context.scene


# --- libraries: `all.blend` links `first`, which links `nested` ---

for path, colour in {
    "project/tex/wood.png": (1, 0, 0, 1),
    "project/tex/tile.1001.png": (0, 1, 0, 1),
    "project/seq/frame_0001.png": (0, 0, 1, 1),
    "project/seq/frame_0002.png": (0, 0, 1, 1),
    "project/strip/a.png": (1, 1, 0, 1),
    "beside.png": (0, 1, 1, 1),
    os.path.join(LIBRARY, "tex/first.png"): (1, 0, 1, 1),
    os.path.join(LIBRARY, "deep/nested.png"): (1, 0.5, 0, 1),
}.items():
    write_picture(os.path.join(FOLDER, path), colour)
write_sound(os.path.join(PROJECT, "sound.wav"))
for place in ("project/smoke_0001.vdb", "project/smoke_0002.vdb", "project/points.mdd", "project/lamp.ies"):
    write_bytes(os.path.join(FOLDER, place))

NESTED, FIRST = os.path.join(LIBRARY, "deep/nested.blend"), os.path.join(LIBRARY, "first.blend")
empty_file()
collection_of("Nested", plane("Nested", glowing("Nested", image("nested", "//nested.png")), 0))
save(NESTED)
scene = empty_file()
save(FIRST)
link(NESTED, "Nested", relative=True)
first = collection_of("First", plane("First", glowing("First", image("first", "//tex/first.png")), 0))
holder = bpy.data.objects.new("Nested", None)
holder.instance_type, holder.instance_collection = "COLLECTION", bpy.data.collections["Nested"]
holder.location.x = 1
first.objects.link(holder)
save(FIRST)

# --- the scene ---

scene = empty_file()
save(os.path.join(PROJECT, "scenes/all.blend"))
link(FIRST, "First", relative=False)
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 1, False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 16, 100
bpy.ops.object.camera_add(location=(1.5, 0, 10))
scene.camera = bpy.context.object
scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 5
instance(scene, "First", 0)
wood = plane("Wood", glowing("Wood", image("wood", "//../tex/wood.png")), 2)
plane("Beside", glowing("Beside", image("beside", "//../../beside.png")), 3)
plane("Absolute", glowing("Absolute", image("absolute", os.path.join(PROJECT, "tex/wood.png"))), -1)

image("tiles", "//../tex/tile.<UDIM>.png", "TILED").tiles.new(1002)
image("sequence", "//../seq/frame_0001.png", "SEQUENCE")
image("film", "//../film.mp4", "MOVIE")
packed = bpy.data.images.load(os.path.join(PROJECT, "tex/wood.png"))
packed.name = "packed"
packed.pack()
for block in bpy.data.images:
    block.use_fake_user = True
clip = bpy.data.movieclips.load(os.path.join(PROJECT, "seq/frame_0001.png"))
clip.name, clip.use_fake_user = "clip", True
bpy.data.sounds.load(os.path.join(PROJECT, "sound.wav")).use_fake_user = True
volume = bpy.data.volumes.new("smoke")
volume.filepath, volume.is_sequence, volume.use_fake_user = "//../smoke_0001.vdb", True, True
wood.modifiers.new("Cache", "MESH_CACHE").filepath = "//../points.mdd"
wood.modifiers["Cache"].show_render = False
bpy.ops.object.light_add(type="POINT", location=(0, 0, -5))
lamp = bpy.context.object.data
lamp.use_nodes = True
profile = lamp.node_tree.nodes.new("ShaderNodeTexIES")
profile.mode, profile.filepath = "EXTERNAL", "//../lamp.ies"
editor = scene.sequence_editor_create()
strips = getattr(editor, "strips", None) or editor.sequences
strips.new_image("still", os.path.join(PROJECT, "strip/a.png"), 1, 1).directory = "//../strip/"
scene.render.use_sequencer = False

# --- what will not run ---

text = bpy.data.texts.new("rig.py")
text.use_module = True
for name, expression in {"simple": "frame / 10", "python": "open('/etc/passwd').read()"}.items():
    driven = bpy.data.objects.new(name, None)
    scene.collection.objects.link(driven)
    driven.driver_add("location", 0).driver.expression = expression
save(os.path.join(PROJECT, "scenes/all.blend"))
