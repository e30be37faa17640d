"""Decodes pictures in a sandbox: one JSON line in, one out, on file descriptor 3, until the other side closes it.

Out: {"ready": true}
In:  {"id": 1, "path": "/job/1.png", "format": "png"}
Out: {"id": 1, "width": 64, "height": 36, "channels": 4, "bits": 8, "isMultilayer": false, "pixelSha256": "..."}
     {"id": 1, "error": "..."}

What is hashed is defined in output-decoder.ts; keep the two together.
"""

import hashlib
import json
import os
import re
import sys

import numpy
import OpenImageIO as oiio

CHANNEL = 3
BAND_BYTES = 16 * 1024 * 1024
BITS = {"uint8": 8, "uint16": 16, "half": 16, "uint": 32, "float": 32, "double": 64}


class Unreadable(Exception):
    pass


def check_end(path, plugin):
    """Some decoders fill up what is missing of a cut file with anything: those formats say themselves where they end."""
    with open(path, "rb") as file:
        head = file.read(512)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 12))
        tail = file.read(12)

        def number(at, order):
            return int.from_bytes(head[at : at + 4], order)

        if plugin == "png":
            is_whole = tail == b"\0\0\0\0IEND\xaeB`\x82"
        elif plugin == "jpeg":
            is_whole = tail.endswith(b"\xff\xd9")
        elif plugin == "dpx":
            is_whole = size >= number(16, "big" if head[:4] == b"SDPX" else "little")
        elif plugin == "cineon":
            is_whole = size >= number(20, "big" if head[:4] == b"\x80\x2a\x5f\xd7" else "little")
        elif plugin == "sgi":
            is_whole = size >= sgi_bytes(file, head)
        else:
            is_whole = True
    if not is_whole:
        raise Unreadable("its end is missing")


def sgi_bytes(file, head):
    is_run_length, bytes_per_value = head[2], head[3]
    width, height, channels = (int.from_bytes(head[at : at + 2], "big") for at in (6, 8, 10))
    if not is_run_length:
        return 512 + width * height * channels * bytes_per_value
    rows = height * channels
    file.seek(512)
    table = numpy.frombuffer(file.read(8 * rows), dtype=">u4").astype(numpy.int64)
    if len(table) < 2 * rows:
        raise Unreadable("its end is missing")
    return int((table[:rows] + table[rows:]).max(initial=0))


def open_picture(path, plugin):
    # Without these hints OpenImageIO multiplies colours with alpha and converts colour spaces: different pixels could become equal.
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    hints.attribute("oiio:RawColor", 1)
    picture = oiio.ImageInput.open(path, hints)
    if picture is None:
        raise Unreadable(oiio.geterror() or "it cannot be opened")
    if picture.format_name() != plugin:
        raise Unreadable(f"it is {picture.format_name()}, not {plugin}")
    return picture


def canonical_order(names):
    """Layer by layer; within a layer R, G, B, A come first, then the rest by name."""

    def key(index):
        layer, _, channel = names[index].rpartition(".")
        return (layer, "RGBA".index(channel) if channel in ("R", "G", "B", "A") else 4, channel)

    return sorted(range(len(names)), key=key)


def check_size(spec, decoded_bytes, limits):
    pixels = spec.width * spec.height
    if spec.depth > 1 or spec.deep:
        raise Unreadable("it is a volume or has deep pixels")
    if spec.width < 1 or spec.height < 1 or spec.nchannels < 1:
        raise Unreadable("it has no pixels")
    if pixels > limits["pixels"] or spec.nchannels > limits["channels"]:
        raise Unreadable(f"it claims {spec.width} x {spec.height} pixels of {spec.nchannels} channels, more than is decoded")
    if decoded_bytes + pixels * spec.nchannels * 8 > limits["bytes"]:
        raise Unreadable("its pixels are more bytes than are decoded")


def hash_subimage(digest, picture, index, spec):
    types = [str(spec.channelformat(channel)) for channel in range(spec.nchannels)]
    if any(name not in BITS for name in types):
        raise Unreadable(f"it has channels of type {', '.join(sorted(set(types)))}")
    # Half fits into float without loss, any integer into double.
    read_as = types[0] if len(set(types)) == 1 else "float" if set(types) <= {"half", "float"} else "double"
    order = canonical_order(spec.channelnames)
    described = {
        "name": spec.get_string_attribute("oiio:subimagename"),
        "x": spec.x,
        "y": spec.y,
        "width": spec.width,
        "height": spec.height,
        "channels": [[spec.channelnames[channel], types[channel]] for channel in order],
    }
    digest.update(json.dumps(described, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    row_bytes = spec.width * spec.nchannels * BITS[read_as] // 8
    rows = max(1, BAND_BYTES // row_bytes)
    # Compressed blocks of EXR hold up to 32 rows: bands that cut through them would decompress them twice.
    rows = rows - rows % 32 if rows >= 32 else rows
    tile = spec.tile_height if spec.tile_width else 0
    if tile:
        rows = max(tile, rows - rows % tile)
    for y in range(spec.y, spec.y + spec.height, rows):
        y_end = min(y + rows, spec.y + spec.height)
        if tile:
            band = picture.read_tiles(
                index, 0, spec.x, spec.x + spec.width, y, y_end, spec.z, spec.z + 1, 0, spec.nchannels, oiio.TypeDesc(read_as)
            )
        else:
            band = picture.read_scanlines(index, 0, y, y_end, spec.z, 0, spec.nchannels, oiio.TypeDesc(read_as))
        if band is None:
            raise Unreadable(picture.geterror() or f"its rows {y} to {y_end} cannot be decoded")
        if order != list(range(spec.nchannels)):
            band = band[..., order]
        digest.update(numpy.ascontiguousarray(band, dtype=band.dtype.newbyteorder("<")))
    return min(BITS[name] for name in types), spec.width * spec.height * spec.nchannels * BITS[read_as] // 8


def decode(path, plugin, limits):
    check_end(path, plugin)
    picture = open_picture(path, plugin)
    try:
        digest = hashlib.sha256(b"pictor-pixels-v1\n")
        first = None
        bits = []
        names = []
        decoded_bytes = 0
        index = 0
        while index < limits["subimages"] and picture.seek_subimage(index, 0):
            spec = picture.spec()
            check_size(spec, decoded_bytes, limits)
            first = first or (spec.width, spec.height, spec.get_int_attribute("oiio:BitsPerSample"))
            names += spec.channelnames
            smallest, size = hash_subimage(digest, picture, index, spec)
            bits.append(smallest)
            decoded_bytes += size
            index += 1
        if first is None or index == limits["subimages"]:
            raise Unreadable(f"it has {index} pictures in it")
        return {
            "width": first[0],
            "height": first[1],
            "channels": len(names),
            "bits": first[2] or min(bits),
            "isMultilayer": all("." in name for name in names),
            "pixelSha256": digest.hexdigest(),
        }
    finally:
        picture.close()


def answer_with(answer):
    line = json.dumps(answer).encode() + b"\n"
    while line:
        line = line[os.write(CHANNEL, line) :]


def main(limits):
    oiio.attribute("threads", 1)
    oiio.attribute("exr_threads", -1)
    os.set_blocking(CHANNEL, True)
    answer_with({"ready": True})
    with open(CHANNEL, "rb", closefd=False) as requests:
        for line in requests:
            request = json.loads(line)
            try:
                answer = decode(request["path"], request["format"], limits)
            except Unreadable as error:
                answer = {"error": re.sub(r"\s+", " ", str(error)).replace(request["path"], "the file").strip()[:500]}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"[:500]}
            answer_with({"id": request["id"], **answer})


main(json.loads(sys.argv[1]))
