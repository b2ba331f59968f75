"""Gain maps of Ultra HDR JPEG (ISO 21496-1): what bright screens show beyond the picture, carried to a new one.

Through libvips (libultrahdr). The map covers the whole picture whatever its size, so it is turned and shrunk beside it.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from pipeline import Frame, ItemError, Source
from stages.media import jpeg_blocks, jpeg_stream, vips
from stages.media.jpeg_blocks import APP2, MPF

MAP, PARAMETERS = "gainmap-data", "gainmap-"
QUALITY = 90  # of the map, which has one channel or three and no fine grain
# From the orientation of a file (Exif 2.32, 4.6.4, A) to upright.
TURNS = {
    2: ("horizontal", 0), 3: ("", 180), 4: ("vertical", 0), 5: ("horizontal", 270), 6: ("", 90), 7: ("horizontal", 90),
    8: ("", 270),
}  # fmt: skip


def encoded(source: Source, frame: Frame, quality: int) -> bytes | None:
    """The frame, (H, W, 1 to 4) uint8, as a JPEG with its source's gain map, colour at a quarter of the resolution.

    None where the source has none that libultrahdr reads, and, with a remark, where it does not fit the frame.

    Raises:
        ItemError: the map is damaged.
    """
    library = vips.library()
    try:
        before = library.Image.uhdrload_source(library.Source.new_from_memory(source.data))
    except library.Error:
        return None
    if not before.get_typeof(MAP):
        return None
    if not source.keeps_extent or frame.spec.has_alpha:
        frame.remark("its HDR gain map was not kept: it does not fit a picture that was cropped or put together")
        return None
    turned = source.spec.orientation if frame.spec.orientation == 1 else 1
    try:
        picture = vips.image_of(frame, frame.metadata.icc)
        picture = picture if picture.bands == 3 else picture.colourspace("srgb")
        for name in before.get_fields():
            if name.startswith(PARAMETERS) and name != MAP:
                picture.set_type(before.get_typeof(name), name, before.get(name))
        small = _fitted(before.get(MAP), turned, max(frame.spec.size))
        picture.set_type(library.GValue.blob_type, MAP, small)
        written: bytes = picture.uhdrsave_buffer(Q=quality, keep="icc|gainmap")
    except library.Error as error:
        raise ItemError(f"its gain map cannot be carried over: {vips.reason(error)}") from error
    return _with_blocks(written, frame)


def _fitted(data: bytes, orientation: int, longest: int) -> bytes:
    """The map turned, and no larger than the picture."""
    image: Any = vips.library().Image.jpegload_buffer(data)
    mirror, degrees = TURNS.get(orientation, ("", 0))
    if mirror:
        image = image.flip(mirror)
    if degrees:
        image = image.rot(f"d{degrees}")
    scale = min(1.0, longest / max(image.width, image.height))
    small = image if scale == 1.0 else image.resize(scale)
    kept: bytes = data if small is image and not mirror and not degrees else small.jpegsave_buffer(Q=QUALITY)
    return kept


def _with_blocks(written: bytes, frame: Frame) -> bytes:
    """The file with the frame's metadata, and the size of its first picture told anew (CIPA DC-007, 5.2.3.3)."""
    beside = replace(frame, metadata=replace(frame.metadata, icc=b""))  # the profile is written already
    whole = bytearray(jpeg_blocks.with_blocks(written, beside))
    view, added = memoryview(written), len(whole) - len(written)
    segments = (each for each in jpeg_stream.segments(view) if each.marker == APP2)
    place = next((each.start for each in segments if view[each.start : each.start + 4] == MPF), 0)
    if place and added:
        place += added  # all of it stands before
        order = "<" if whole[place + 4 : place + 6] == b"II" else ">"
        entry = place + 4 + 50 + 4  # behind a header of 8 bytes and a directory of 3 fields, the attributes of 4 bytes
        (nbytes,) = struct.unpack_from(order + "I", whole, entry)
        struct.pack_into(order + "I", whole, entry, nbytes + added)
    return bytes(whole)
