"""TIFF: every layout that scanners and cameras write, and what is refused by name."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import numpy as np
import pytest
from pictures import decoded, encoded, grain, saved, shown
from PIL import Image

from pipeline import ItemError, SpecError
from stages.codecs.tiff import Tiff


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd", "none"])
def test_tiff_is_exact(compression: str, channels: int, dtype: str) -> None:
    """Every model, depth and lossless compression comes back equal; Pillow reads the 8-bit ones alike."""
    pixels = grain(channels, dtype)
    data = encoded(Tiff(compression=compression), pixels)  # type: ignore[arg-type]
    spec, out = decoded(Tiff(), data)
    assert spec.dtype == dtype
    assert (out == pixels).all()
    if dtype == "uint8":
        assert (shown(data, ("L", "LA", "RGB", "RGBA")[channels - 1]) == pixels).all()


def with_tags(data: bytes, *, page: int = 0, **values: int) -> bytes:
    """A little-endian file of Pillow's with some tags of a page changed to one number: _262 and so on."""
    changed, following = bytearray(data), 4
    for _ in range(page + 1):
        (at,) = struct.unpack_from("<I", data, following)
        (entries,) = struct.unpack_from("<H", data, at)
        following = at + 2 + 12 * entries
    for place in range(at + 2, at + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from("<H", data, place)
        if f"_{tag}" in values:
            struct.pack_into("<HHII", changed, place, tag, 4, 1, values[f"_{tag}"])
    return bytes(changed)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_tiff_as_pillow_shows_it(mode: str, compression: str) -> None:
    """Every kind that Pillow writes without loss: palettes and inks become rgb, 1 bit becomes 0 and 255."""
    image = Image.fromarray(grain(3))
    image = Image.fromarray(grain(1, "uint16")) if mode == "I;16" else image.convert(mode)
    want = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    spec, out = decoded(Tiff(), saved(image, "TIFF", compression=compression))
    assert spec.dtype == ("uint16" if mode == "I;16" else "uint8")
    assert np.abs(out.astype(int) - np.asarray(image.convert(want))).max() <= (mode == "YCbCr")


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_is_read(compression: str) -> None:
    """Pages of scanners."""
    image = Image.fromarray(grain(1) > 127)
    out = decoded(Tiff(), saved(image, "TIFF", compression=compression))[1]
    assert (out == np.asarray(image.convert("L"))).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("predictor", [1, 2])
def test_sixteen_bit_tiff_in_every_layout(order: str, planar: int, tile: int, predictor: int) -> None:
    """Byte orders, planes, tiles and predictor are undone, exactly."""
    pixels = grain(3, "uint16")
    assert (decoded(Tiff(), tiff16(pixels, order, planar, tile, predictor))[1] == pixels).all()


def tiff16(pixels: np.ndarray, order: str, planar: int, tile: int, predictor: int) -> bytes:
    """A Deflate TIFF of (H, W, 3) uint16, in square tiles or in strips of 7 rows."""
    import zlib

    height, width = pixels.shape[:2]
    pieces = []
    for plane in [pixels] if planar == 1 else np.split(pixels, 3, axis=2):
        for top, left in itertools.product(range(0, height, tile or 7), range(0, width, tile or width)):
            part = plane[top : top + (tile or 7), left : left + (tile or width)]
            if tile:
                part = np.pad(part, ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)))
            stored = part.copy()
            if predictor == 2:
                stored[:, 1:] -= part[:, :-1]
            pieces.append(zlib.compress(stored.astype(order + "u2").tobytes()))
    starts = np.cumsum([8, *map(len, pieces)])
    tags = {
        256: [width], 257: [height], 258: [16, 16, 16], 259: [8], 262: [2], 277: [3], 284: [planar], 317: [predictor],
        **({322: [tile], 323: [tile], 324: starts[:-1], 325: list(map(len, pieces))} if tile
           else {273: starts[:-1], 278: [7], 279: list(map(len, pieces))}),
    }  # fmt: skip
    at = int(starts[-1])
    end, beyond, lines = at + 6 + 12 * len(tags), b"", b""
    for tag, values in sorted(tags.items()):
        content = np.array(values, order + "u4").tobytes()
        if len(content) > 4:
            content, beyond = struct.pack(order + "I", end + len(beyond)), beyond + content
        lines += struct.pack(order + "HHI", tag, 4, len(values)) + content
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, at)
    return b"".join((head, *pieces, struct.pack(order + "H", len(tags)), lines, bytes(4), beyond))


def test_opencv_agrees_on_sixteen_bit_tiff() -> None:
    """Another reader sees what we write, and we see what another writer writes."""
    import cv2

    pixels = grain(3, "uint16")
    data = encoded(Tiff(), pixels)
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1] == pixels).all()
    done, written = cv2.imencode(".tiff", pixels[:, :, ::-1])
    assert done
    assert (decoded(Tiff(), written.tobytes())[1] == pixels).all()


def test_white_may_be_zero_in_tiff() -> None:
    """Photometric interpretation 0: the largest sample is black."""
    pixels = grain(1)
    data = with_tags(saved(pixels, "TIFF"), _262=0)
    assert (decoded(Tiff(), data)[1] == 255 - pixels).all()


def test_premultiplied_alpha_becomes_straight() -> None:
    """ExtraSamples 1: colours are divided by alpha, to a level."""
    pixels = np.full((4, 5, 4), (60, 30, 0, 120), np.uint8)
    out = decoded(Tiff(), with_tags(saved(pixels, "TIFF"), _338=1))[1]
    assert np.abs(out.astype(int) - (127.5, 63.75, 0, 120)).max() < 1


def test_big_tiff_is_read() -> None:
    """Offsets of 64 bits."""
    pixels = grain(3)
    assert (decoded(Tiff(), saved(pixels, "TIFF", big_tiff=True))[1] == pixels).all()


def test_previews_are_no_pages() -> None:
    """A pyramid's smaller copies do not count as pages."""
    image = Image.fromarray(grain(3))
    data = saved(image, "TIFF", save_all=True, append_images=[image], tiffinfo={254: 0})
    assert Tiff().header(memoryview(data)).frames == 2
    assert Tiff().header(memoryview(with_tags(data, page=1, _254=1))).frames == 1


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_lab_becomes_rgb(compression: str) -> None:
    """L*a*b* of 8 bits, by Pillow's conversion and within 4 levels of a known colour."""
    red = Image.new("LAB", (9, 7), (136, 80 + 128, 70 + 128))
    out = decoded(Tiff(), saved(red, "TIFF", compression=compression))[1]
    assert np.abs(out.astype(int) - (255, 2, 14)).max() <= 12


@pytest.mark.parametrize(
    ("image", "more", "names"),
    [(Image.new("F", (4, 4)), {}, "float samples"), (Image.new("I", (4, 4)), {}, "int samples"),
     (Image.new("RGB", (4, 4)), {"tiffinfo": {254: 1}}, "raw file")],
    ids=["float", "signed", "preview"],
)  # fmt: skip
def test_tiff_that_is_not_read_says_so(image: Image.Image, more: dict[str, Any], names: str) -> None:
    """The kind of picture is named by the header, with a remedy, and never turned into something else."""
    with pytest.raises(ItemError, match=names) as caught:
        Tiff().header(memoryview(saved(image, "TIFF", **more)))
    assert caught.value.remedy


def test_jpeg_in_tiff_holds_eight_bits_without_alpha() -> None:
    """Refused before anything is written."""
    for pixels in (grain(4), grain(3, "uint16")):
        with pytest.raises(SpecError, match="JPEG"):
            encoded(Tiff(compression="jpeg"), pixels)


@pytest.mark.parametrize("size", [(400, 500), (0, 5)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_tiff_of_a_size_that_it_does_not_hold_is_refused(compression: str, size: tuple[int, int]) -> None:
    """Where the strips that the size needs are not there; one beyond its limit the engine refuses before."""
    data = saved(grain(3), "TIFF", compression=compression)
    with pytest.raises(ItemError, match=r"damaged|truncated"):
        decoded(Tiff(), with_tags(data, _257=size[0], _256=size[1], _278=size[0]))


def test_a_fourth_sample_of_which_nothing_is_said_is_alpha() -> None:
    """As all programs have it; one that is said to be something else is not."""
    import io

    import tifffile

    pixels = np.dstack([grain(3), grain(1)])
    for extra, model in ((None, "rgba"), ([0], "rgb")):
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=extra or ["unspecified"], metadata=None)
        data = file.getvalue()
        if extra is None:  # the tag becomes one that nobody knows
            data = data.replace(struct.pack("<HHI", 338, 3, 1), struct.pack("<HHI", 340 + 9000, 3, 1), 1)
        spec, got = decoded(Tiff(), data)
        assert spec.model == model
        assert (got == pixels[..., : spec.channels]).all()


def test_jpeg_of_the_old_kind() -> None:
    """Compression 6: the whole file within, and colours that the JPEG itself has as YCbCr."""
    picture = Image.fromarray(grain(3)).resize((64, 48))
    jpeg = saved(picture, "JPEG", quality=95, subsampling=0)
    fields = [
        (256, 4, 64), (257, 4, 48), (258, 3, 8), (259, 3, 6), (262, 3, 6), (273, 4, 0), (277, 3, 3), (278, 4, 48),
        (279, 4, len(jpeg)), (513, 4, 0), (514, 4, len(jpeg)), (530, 3, 1),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(fields) + 4
    entries = b"".join(
        struct.pack(
            "<HHII", tag, kind, 2 if tag == 530 else 1, start if tag in (273, 513) else 0x10001 if tag == 530 else n
        )
        for tag, kind, n in fields
    )
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + entries + bytes(4) + jpeg
    spec, got = decoded(Tiff(), data)
    assert spec.model == "rgb"
    assert np.abs(got.astype(int) - np.asarray(picture)).mean() < 4


@pytest.mark.parametrize("kind", ["12 bits", "zstd", "lab", "planes"])
def test_odd_tiffs_shrink_too(kind: str) -> None:
    """They are decoded whole; the size that is asked for is an average."""
    import io

    import tifffile

    from pipeline import Size

    pixels, file = np.kron(grain(3), np.ones((4, 4, 1), np.uint8)), io.BytesIO()
    options: dict[str, Any] = {
        "12 bits": {"bitspersample": 12}, "zstd": {"compression": "zstd"}, "lab": {"photometric": "cielab"},
        "planes": {"planarconfig": "separate", "tile": (16, 16)},
    }[kind]  # fmt: skip
    data = pixels.astype(np.uint16) << 4 if kind == "12 bits" else pixels
    shape = data.transpose(2, 0, 1).copy() if kind == "planes" else data
    tifffile.imwrite(file, shape, **{"photometric": "rgb", **options}, metadata=None)
    codec, view = Tiff(), memoryview(file.getvalue())
    full = codec.header(view).spec
    whole = np.zeros(full.shape, full.dtype)
    codec.decode(view, full, whole)
    spec = codec.shrunk(full, Size(full.height // 4, full.width // 4))
    assert spec.height == full.height // 4
    small = np.zeros(spec.shape, spec.dtype)
    codec.decode(view, spec, small)
    blocks = whole.reshape(spec.height, 4, spec.width, 4, -1).astype(float).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 1
