"""PNG: every colour type and depth against known samples, transparency, interlacing, and files that lie."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

from pipeline import DecodeContext, Frame, Item, ItemError, Metadata, Spec, SpecError
from stages.codecs.png import DEPTHS, Png

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

TYPES = [(kind, depth) for kind, depths in DEPTHS.items() for depth in depths]
HEIGHT, WIDTH = 11, 13


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def packed(samples: np.ndarray, depth: int) -> bytes:
    """Rows of samples (H, W, S) with filter byte 0, most significant bit first."""
    rows = samples.reshape(len(samples), -1)
    if depth == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    bits = [np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :].reshape(-1) for row in rows]
    return b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)


def png(
    samples: np.ndarray,
    kind: int,
    depth: int,
    *between: bytes,
    interlace: bool = False,
    size: tuple[int, int] | None = None,
) -> bytes:
    """A file of these samples; `size` is what its header claims."""
    height, width = size or samples.shape[:2]
    passes = [samples[y::down, x::across] for x, y, across, down in ADAM7] if interlace else [samples]
    raw = b"".join(packed(part, depth) for part in passes if part.size)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace)
    return SIGNATURE + b"".join(
        (chunk(b"IHDR", head), *between, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    )


def samples_of(kind: int, depth: int) -> np.ndarray:
    return np.random.default_rng(kind * 100 + depth).integers(0, 1 << depth, (HEIGHT, WIDTH, SAMPLES[kind]), np.uint16)


def palette(depth: int) -> np.ndarray:
    return np.random.default_rng(depth).integers(0, 256, (1 << depth, 3), np.uint8)


def expected(samples: np.ndarray, kind: int, depth: int) -> np.ndarray:
    if kind == 3:
        return palette(depth)[samples[..., 0]]
    return samples if depth == 16 else (samples * (255 // ((1 << depth) - 1))).astype(np.uint8)


def decoded(data: bytes) -> tuple[Spec, np.ndarray]:
    view = memoryview(data)
    spec = Png().header(view).spec
    out = np.full(spec.shape, 0xAA, spec.dtype)
    Png().decode(view, spec, out)
    return spec, out


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("kind", "depth"), TYPES)
def test_every_colour_type_and_depth(kind: int, depth: int, interlace: bool) -> None:
    """Samples come out exactly: stretched to 8 bits, kept at 16, looked up in the palette."""
    samples = samples_of(kind, depth)
    between = [chunk(b"PLTE", palette(depth).tobytes())] if kind == 3 else []
    spec, out = decoded(png(samples, kind, depth, *between, interlace=interlace))
    assert spec.model == {0: "gray", 2: "rgb", 3: "rgb", 4: "gray_alpha", 6: "rgba"}[kind]
    assert spec.dtype == ("uint16" if depth == 16 else "uint8")
    assert (out == expected(samples, kind, depth)).all()


@pytest.mark.parametrize(("kind", "depth"), [(kind, depth) for kind, depth in TYPES if kind in (0, 2)])
def test_a_transparent_colour_becomes_alpha(kind: int, depth: int) -> None:
    """At every depth, 4-bit gray too, which Pillow and OpenCV lose (trap 11)."""
    samples = samples_of(kind, depth)
    key = samples[3, 4]
    spec, out = decoded(png(samples, kind, depth, chunk(b"tRNS", key.astype(">u2").tobytes())))
    assert spec.has_alpha
    assert (out[..., :-1] == expected(samples, kind, depth)).all()
    assert (out[..., -1] == np.where((samples == key).all(axis=2), 0, 65535 if depth == 16 else 255)).all()


@pytest.mark.parametrize("depth", DEPTHS[3])
def test_a_palette_may_have_alpha(depth: int) -> None:
    """Entries beyond the shorter list of alphas are opaque."""
    samples = samples_of(3, depth)
    between = chunk(b"PLTE", palette(depth).tobytes()), chunk(b"tRNS", bytes([7, 130])[: 1 << depth])
    spec, out = decoded(png(samples, 3, depth, *between))
    assert spec.model == "rgba"
    assert (out[..., :3] == expected(samples, 3, depth)).all()
    assert (out[..., 3] == np.array([7, 130] + [255] * 254)[samples[..., 0]]).all()


@pytest.mark.parametrize("model", ["gray", "gray_alpha", "rgb", "rgba"])
def test_sixteen_bits_go_in_and_come_out(model: str) -> None:
    """Exact by our decoder and by OpenCV's, for every model."""
    spec = Spec.of(model, 9, 300, dtype="uint16")
    stored = np.random.default_rng(0).integers(0, 1 << 16, spec.shape, np.uint16)
    data = bytes(Png(compress_level=1).encode(Frame(Item(0, ""), 0, spec, stored)))
    got, out = decoded(data)
    assert got == spec
    assert (out == stored).all()
    if model == "gray":
        assert (np.asarray(Image.open(io.BytesIO(data))) == stored[..., 0]).all()


def test_eight_bits_need_no_opencv() -> None:
    """OpenCV (0.2 s, libGL) is loaded for 16-bit colour only: the samples are read without it."""
    code = (
        "import sys, glob, numpy as np\n"
        "from stages.codecs.png import Png\n"
        "for path in glob.glob('samples/photos/*.png'):\n"
        "    data = memoryview(open(path, 'rb').read()); spec = Png().header(data).spec\n"
        "    Png().decode(data, spec, np.empty(spec.shape, spec.dtype))\n"
        "assert 'cv2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("kind", "depth"), [(0, 8), (2, 8), (3, 4), (0, 16), (2, 16)])
def test_rows_that_are_not_there_are_missed(kind: int, depth: int, interlace: bool, black: bool) -> None:
    """A header that claims more rows than the data has is an error, where decoders give black; black rows are not."""
    samples = samples_of(kind, depth)
    samples[-3:] = 0
    between = [chunk(b"PLTE", palette(depth).tobytes())] if kind == 3 else []
    if black:
        assert (decoded(png(samples, kind, depth, *between, interlace=interlace))[1].shape[:2]) == (HEIGHT, WIDTH)
        return
    with pytest.raises(ItemError):
        decoded(png(samples, kind, depth, *between, interlace=interlace, size=(HEIGHT + 5, WIDTH)))


def test_a_size_that_the_data_cannot_hold_is_refused_by_the_header() -> None:
    """220 bytes that claim 30000x30000: before any memory is asked for, and without Pillow's warning."""
    with pytest.raises(ItemError, match="cannot hold 30000x30000"):
        Png().header(memoryview(png(samples_of(2, 8), 2, 8, size=(30000, 30000))))


def test_large_pictures_do_not_warn() -> None:
    """The limit is the engine's and was checked before; Pillow's own, at 89 million pixels, stays silent."""
    data = memoryview(png(np.zeros((90_000, 1000, 1), np.uint8), 0, 1))
    spec = Png().header(data).spec
    out = np.full(spec.shape, 1, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Png().decode(data, spec, out)
    assert not out.any()


@pytest.mark.parametrize("name", [b"IHDR", b"tEXt", b"IDAT"])
def test_a_wrong_check_sum_over_right_data_is_harmless(name: bytes) -> None:
    """In any chunk: every pixel is there."""
    samples = samples_of(2, 8)
    data = bytearray(png(samples, 2, 8, chunk(b"tEXt", b"Comment\0hello")))
    at = data.index(name)
    data[at + 4 + int.from_bytes(data[at - 4 : at], "big")] ^= 1
    assert (decoded(bytes(data))[1] == samples).all()


def test_changed_pixels_are_damage_and_may_be_salvaged() -> None:
    """A byte within the packed data: refused, or read up to there with a remark that says so."""
    samples = np.random.default_rng(3).integers(0, 256, (200, 90, 3), np.uint8)
    data = bytearray(png(samples, 2, 8))
    data[len(data) * 3 // 4] ^= 0x55
    view = memoryview(data)
    spec = Png().header(view).spec
    out = np.zeros(spec.shape, np.uint8)
    with pytest.raises(ItemError, match=r"damaged PNG.*; `on_damage: salvage` of the reader"):
        Png().decode(view, spec, out)
    said: list[str] = []
    Png().decode(view, spec, out, DecodeContext(salvage=True, remark=said.append))
    assert (out[:128] == samples[:128]).all()
    assert "salvaged" in said[0]
    assert "of 200 rows" in said[0]


def test_metadata_is_found() -> None:
    """iCCP, eXIf and XMP, each as the plain bytes it stands for."""
    exif, xmp = b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"<x:xmpmeta/>"
    between = (
        chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile")),
        chunk(b"eXIf", exif),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"Title\0\0\0\0\0else"),
    )
    assert Png().header(memoryview(png(samples_of(2, 8), 2, 8, *between))).metadata == Metadata(b"profile", exif, xmp)


@pytest.mark.parametrize("block", [b"", b"name", b"name\0\0junk", b"name\0\0" + zlib.compress(bytes(1 << 21))[:-4]])
def test_a_damaged_profile_is_left_out(block: bytes) -> None:
    """Cut, not compressed, or swelling beyond a megabyte: the picture is read without it."""
    data = memoryview(png(samples_of(2, 8), 2, 8, chunk(b"iCCP", block)))
    assert Png().header(data).metadata.icc == b""


@pytest.mark.parametrize(("kind", "depth"), [(2, 4), (3, 16), (1, 8), (5, 8), (0, 3), (6, 1)])
def test_impossible_headers_are_refused(kind: int, depth: int) -> None:
    """Colour types and depths that the format does not know."""
    with pytest.raises(ItemError, match="colour type"):
        Png().header(memoryview(png(np.zeros((4, 4, 4), np.uint8), kind, depth)))


def test_what_cannot_be_encoded_is_refused_with_a_remedy() -> None:
    """Floats and inks."""
    for dtype, model, channels in (("float32", "rgb", 3), ("uint8", "cmyk", 4)):
        spec = Spec(4, 4, channels, dtype, model)
        with pytest.raises(SpecError) as caught:
            Png().encode(Frame(Item(0, ""), 0, spec, np.zeros(spec.shape, dtype)))
        assert caught.value.remedy


def test_the_level_reaches_the_encoder() -> None:
    """0 stores, 9 packs, for both depths."""
    for dtype in ("uint8", "uint16"):
        spec = Spec(64, 64, dtype=dtype)
        frame = Frame(Item(0, ""), 0, spec, np.zeros(spec.shape, dtype))
        assert len(Png(compress_level=0).encode(frame)) > spec.nbytes > 20 * len(Png(compress_level=9).encode(frame))
