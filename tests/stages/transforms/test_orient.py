"""The eight EXIF orientations give one picture."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline import Codec, Frame, Item, Size, Spec
from stages.codecs.jpeg import Jpeg
from stages.codecs.png import Png
from stages.transforms.orient import Orient
from stages.transforms.resize import Resize

TURNS = range(1, 9)
STORED = {  # how the upright array lies in a file with the tag (EXIF 2.32, 4.6.4 A: where row 0 and column 0 are)
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up),
    7: lambda up: up[::-1, ::-1].swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


def upright() -> np.ndarray:
    """A picture without symmetry, of whole 8x8 blocks and sizes that are multiples of 8."""
    blocks = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def exif(turn: int, order: str = "<") -> bytes:
    """A TIFF block with the orientation after an unrelated, higher tag, as some cameras write it."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HIH", 42, 8, 2)
    return head + struct.pack(order + "HHIHHHHIHHI", 0x0213, 3, 1, 1, 0, 0x0112, 3, 1, turn, 0, 0)


def oriented(codec: Codec, data: bytes) -> np.ndarray:
    view = memoryview(data)
    spec = codec.header(view).spec
    pixels = np.empty(spec.shape, spec.dtype)
    codec.decode(view, spec, pixels)
    target = Orient().output_spec(spec)
    assert target.orientation == 1
    if target == spec:
        return pixels
    out = np.empty(target.shape, target.dtype)
    Orient().process(Frame(Item(0, ""), 0, spec, pixels), out)
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", TURNS)
def test_jpeg_of_each_orientation_is_the_same_picture(turn: int, order: str) -> None:
    """Stored turned and tagged in either byte order, shown upright; Pillow agrees."""
    file = io.BytesIO()
    stored = Image.fromarray(np.ascontiguousarray(STORED[turn](upright())))
    stored.save(file, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(turn, order))
    out = oriented(Jpeg(), file.getvalue())
    assert abs(out.astype(int) - upright()).max() <= 3
    assert (out == np.asarray(ImageOps.exif_transpose(Image.open(file)))).all()


@pytest.mark.parametrize("turn", TURNS)
def test_png_of_each_orientation_is_the_same_picture(turn: int) -> None:
    """The eXIf chunk counts as the APP1 segment of a JPEG does."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(STORED[turn](upright()))).save(file, "PNG", exif=exif(turn))
    assert (oriented(Png(), file.getvalue()) == upright()).all()


@pytest.mark.parametrize("turn", TURNS)
def test_the_size_asked_for_is_that_of_the_upright_picture(turn: int) -> None:
    """A width of 36 after orient is 36 whatever the tag, also when the decoder shrank; need turns back with it."""
    stored = STORED[turn](upright())
    full = Spec(*stored.shape[:2], orientation=turn)
    resize, up = Resize(width=18), Orient().output_spec(full)
    assert (up.height, up.width) == (48, 72)
    assert resize.output_spec(up).size == (12, 18)
    need = Orient().required_input(full, resize.required_input(up, Size(12, 18)))
    less = Jpeg().shrunk(full, need)
    assert Orient().output_spec(less).size == (24, 36)
    assert Orient().output_spec(less).full_size == (48, 72)
    assert resize.output_spec(Orient().output_spec(less)) == resize.output_spec(up)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II",
        b"XX*\0\x08\0\0\0\0\0",
        exif(9),
        exif(0),
        exif(6)[:20],
        b"II*\0\xff\xff\xff\xff\x01\0",
        b"II*\0\x08\0\0\0\xff\xff",
    ],
)
def test_a_damaged_exif_block_means_upright(block: bytes) -> None:
    """No tag, a value out of range or a cut block never fail the file."""
    file = io.BytesIO()
    Image.fromarray(upright()).save(file, "JPEG", quality=100, exif=b"Exif\0\0" + block)
    assert Jpeg().header(memoryview(file.getvalue())).spec.orientation == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_type_of_sample_turns(dtype: str, channels: int) -> None:
    """Pixels move whole, of any size."""
    pixels = np.random.default_rng(1).random((5, 7, channels)).astype(dtype) * 100
    for turn in range(2, 9):
        stored = np.ascontiguousarray(STORED[turn](pixels))
        spec = Spec(*stored.shape, dtype=dtype, model="other", orientation=turn)
        out = np.empty(pixels.shape, dtype)
        Orient().process(Frame(Item(0, ""), 0, spec, stored), out)
        assert (out == pixels).all()
