"""WebP, AVIF, TIFF, GIF, BMP and PNM: what a user would miss, and what decoders do silently."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import Codec, Colour, Frame, Item, ItemError, Metadata, Spec, SpecError, UsageError
from stages.codecs.avif import Avif
from stages.codecs.bmp import Bmp
from stages.codecs.gif import Gif
from stages.codecs.pnm import Pnm
from stages.codecs.tiff import Tiff
from stages.codecs.webp import Webp

HEIGHT, WIDTH = 33, 45
ROOT = Path(__file__).resolve().parents[2]


def noise(channels: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """(H, W, C) over the whole range, or (H, W) for one channel."""
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth() -> np.ndarray:
    """(64, 96, 3) uint8 that lossy formats keep well."""
    y, x = np.mgrid[0:64, 0:96]
    return np.rint(127 + 100 * np.sin(np.dstack([x / 9, y / 7, (x + y) / 11]))).astype(np.uint8)


def saved(picture: np.ndarray | Image.Image, kind: str, **more: Any) -> bytes:
    """A file of Pillow's."""
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, kind, **more)
    return file.getvalue()


def decoded(codec: Codec, data: bytes) -> tuple[Spec, np.ndarray]:
    """Spec and pixels, (H, W) where there is one channel."""
    spec = codec.header(memoryview(data)).spec
    out = np.full(spec.shape, 0xAA, spec.dtype)
    codec.decode(memoryview(data), spec, out)
    return spec, out[:, :, 0] if spec.channels == 1 else out


def encoded(codec: Codec, pixels: np.ndarray, icc: bytes = b"") -> bytes:
    pixels = np.atleast_3d(pixels)
    model = ("gray", "gray_alpha", "rgb", "rgba")[pixels.shape[2] - 1]
    spec = Spec.of(model, *pixels.shape[:2], dtype=pixels.dtype.name)
    return bytes(codec.encode(Frame(Item(0, ""), 0, spec, np.ascontiguousarray(pixels), Metadata(icc=icc))))


def shown(data: bytes, mode: str) -> np.ndarray:
    """What Pillow makes of a file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd", "none"])
def test_tiff_is_exact(compression: str, channels: int, dtype: str) -> None:
    """Every model, depth and lossless compression comes back equal; Pillow reads the 8-bit ones alike."""
    pixels = noise(channels, dtype)
    data = encoded(Tiff(compression=compression), pixels)  # type: ignore[arg-type]
    spec, out = decoded(Tiff(), data)
    assert spec.dtype == dtype
    assert (out == pixels).all()
    if dtype == "uint8":
        assert (shown(data, ("L", "LA", "RGB", "RGBA")[channels - 1]) == pixels).all()


@pytest.mark.parametrize(
    ("codec", "channels", "dtype"),
    [(Webp(lossless=True), 3, "uint8"), (Webp(lossless=True), 4, "uint8"), (Gif(), 1, "uint8"), (Bmp(), 1, "uint8"),
     (Bmp(), 3, "uint8"), (Bmp(), 4, "uint8"), (Pnm(), 1, "uint8"), (Pnm(), 3, "uint8"), (Pnm(), 1, "uint16"),
     (Pnm(), 3, "uint16")],
)  # fmt: skip
def test_lossless_formats_are_exact(codec: Codec, channels: int, dtype: str) -> None:
    """Noise comes back equal, and Pillow sees the same where it reads the depth."""
    pixels = noise(channels, dtype)
    data = encoded(codec, pixels)
    assert (decoded(codec, data)[1] == pixels).all()
    if dtype == "uint8":
        assert (shown(data, ("L", "", "RGB", "RGBA")[channels - 1]) == pixels).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("codec", "kind", "more"),
    [(Webp(), "WEBP", {"lossless": True}), (Avif(), "AVIF", {"quality": 100, "subsampling": "4:4:4"}),
     (Tiff(), "TIFF", {}), (Tiff(), "TIFF", {"compression": "tiff_lzw"}), (Tiff(), "TIFF", {"compression": "jpeg"})],
    ids=["webp", "avif", "tiff", "tiff-lzw", "tiff-jpeg"],
)  # fmt: skip
def test_orientation_is_told_and_not_applied(codec: Codec, kind: str, more: dict[str, Any], turn: int) -> None:
    """EXIF tag, irot/imir and tag 274: the array lies as it is stored, whatever Pillow would turn."""
    exif = Image.Exif()
    exif[0x0112] = turn
    tags = {"tiffinfo": {274: turn}} if kind == "TIFF" else {"exif": exif.tobytes()}
    spec, out = decoded(codec, saved(smooth(), kind, **more, **tags))
    assert spec.orientation == turn
    assert spec.size == (64, 96)
    assert np.abs(out.astype(int) - smooth()).mean() < 3


def test_metadata_is_found() -> None:
    """ICC, EXIF (as TIFF bytes) and XMP of WebP and AVIF; ICC and XMP of TIFF."""
    exif = Image.Exif()
    exif[0x010F] = "maker"
    icc, xmp = bytes(range(200)), b"<x:xmpmeta/>"
    for codec, kind in ((Webp(), "WEBP"), (Avif(), "AVIF")):
        data = saved(smooth(), kind, exif=exif.tobytes(), icc_profile=icc, xmp=xmp)
        found = codec.header(memoryview(data)).metadata
        assert (found.icc, found.xmp) == (icc, xmp)
        assert found.exif[:2] in (b"II", b"MM")
        assert b"maker" in found.exif
    found = Tiff().header(memoryview(saved(smooth(), "TIFF", icc_profile=icc, tiffinfo={700: xmp}))).metadata
    assert (found.icc, found.xmp) == (icc, xmp)


@pytest.mark.parametrize(
    ("codec", "kind", "more"),
    [(Webp(), "WEBP", {"lossless": True}), (Avif(), "AVIF", {}), (Gif(), "GIF", {}), (Tiff(), "TIFF", {})],
    ids=["webp", "avif", "gif", "tiff"],
)  # fmt: skip
def test_frames_are_counted_and_the_first_is_read(codec: Codec, kind: str, more: dict[str, Any]) -> None:
    """Three frames or pages; the pixels are those that Pillow shows first."""
    first, *others = [Image.fromarray(noise(3, seed=seed)) for seed in range(3)]
    data = saved(first, kind, save_all=True, append_images=others, duration=100, **more)
    assert codec.header(memoryview(data)).frames == 3
    assert (decoded(codec, data)[1] == shown(data, "RGB")).all()
    assert codec.header(memoryview(saved(first, kind, **more))).frames == 1


@pytest.mark.parametrize("codec", [Webp(), Avif(), Tiff()], ids=["webp", "avif", "tiff"])
def test_a_profile_is_kept_for_pillow_too(codec: Codec) -> None:
    """Another reader finds the profile that was written."""
    icc = bytes(range(256)) * 300
    with Image.open(io.BytesIO(encoded(codec, smooth(), icc))) as image:
        assert image.info["icc_profile"] == icc


@pytest.mark.parametrize("codec", [Webp(), Avif()], ids=["webp", "avif"])
def test_a_profile_of_gray_does_not_go_with_colour(codec: Codec) -> None:
    """Where gray has to be written as rgb, its profile would be wrong."""
    icc = bytes(16) + b"GRAY" + bytes(112)
    data = encoded(codec, noise(2), icc)
    header = codec.header(memoryview(data))
    assert header.spec.model == "rgba"
    assert header.metadata.icc == b""


@pytest.mark.parametrize(
    ("small", "large"),
    [(Webp(quality=20), Webp(quality=95)), (Webp(effort=6), Webp(effort=0)),
     (Avif(quality=20), Avif(quality=95)), (Avif(quality=95), Avif(quality=95, subsampling="444")),
     (Tiff(), Tiff(compression="none")), (Tiff(compression="lzw"), Tiff(compression="none")),
     (Tiff(compression="jpeg", quality=20), Tiff(compression="jpeg", quality=95)), (Gif(colours=4), Gif())],
    ids=str,
)  # fmt: skip
def test_settings_reach_the_encoder(small: Codec, large: Codec) -> None:
    """One setting against the other, in bytes."""
    assert len(encoded(small, smooth())) < len(encoded(large, smooth()))


@pytest.mark.parametrize(
    "codec", [Webp(), Avif(), Gif(), Bmp(), Pnm(), Tiff()], ids=lambda codec: type(codec).__name__
)  # fmt: skip
def test_what_cannot_be_encoded_is_refused_with_a_remedy(codec: Codec) -> None:
    """Floats and inks, and 16 bits where the format has none."""
    for dtype, model, channels in (("float32", "rgb", 3), ("uint8", "cmyk", 4), ("uint16", "rgb", 3)):
        spec = Spec(4, 4, channels, dtype, model)
        if dtype == "uint16" and isinstance(codec, Pnm | Tiff):
            continue
        with pytest.raises(SpecError) as caught:
            codec.encode(Frame(Item(0, ""), 0, spec, np.zeros(spec.shape, dtype)))
        assert caught.value.remedy


@pytest.mark.parametrize("codec", [Webp(), Gif(), Avif()], ids=lambda codec: type(codec).__name__)
def test_too_large_for_the_format_says_the_limit(codec: Codec) -> None:
    """A side longer than the format can count."""
    with pytest.raises(ItemError) as caught:
        encoded(codec, np.zeros((1, 65536), np.uint8))
    assert caught.value.limit


@pytest.mark.parametrize("codec", [Gif, Pnm])
def test_transparency_is_flattened(codec: Any) -> None:
    """Over white, or the colour that is asked for, at every depth that the format has."""
    pixels = np.zeros((4, 5, 4), np.uint8)
    assert (decoded(codec(), encoded(codec(), pixels))[1] == 255).all()
    red = codec(background=Colour(255, 0, 0))
    assert (decoded(red, encoded(red, pixels))[1].reshape(-1, 3) == (255, 0, 0)).all()
    with pytest.raises(UsageError):
        codec(background=Colour(255, 0, 0, 254))


def test_sixteen_bits_are_flattened_exactly() -> None:
    """Half transparent black over white."""
    pixels = np.full((2, 3, 2), 32768, np.uint16)
    pixels[..., 0] = 0
    assert (decoded(Pnm(), encoded(Pnm(), pixels))[1] == 32767).all()


@pytest.mark.parametrize("codec", [Webp(), Bmp(), Tiff(), Avif()], ids=lambda codec: type(codec).__name__)
def test_alpha_is_kept(codec: Codec) -> None:
    """Alpha comes back, exactly but for AVIF, where it is coded as the picture is."""
    pixels = np.dstack([smooth(), smooth()[:, :, 0]])
    spec, out = decoded(codec, encoded(codec, pixels))
    assert spec.model == "rgba"
    assert np.abs(out[..., 3].astype(int) - pixels[..., 3]).max() <= (8 if isinstance(codec, Avif) else 0)


def test_pillows_limit_is_not_ours() -> None:
    """No warning and no error of Pillow's at a size that the engine allowed, and its own limit stays as it was."""
    most = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = 10
        for codec, kind in ((Webp(), "WEBP"), (Tiff(), "TIFF"), (Gif(), "GIF"), (Bmp(), "BMP"), (Avif(), "AVIF")):
            data = encoded(codec, smooth())
            assert codec.matches(data[:32])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                decoded(codec, data)
                decoded(codec, encoded(codec, smooth()))
            assert Image.MAX_IMAGE_PIXELS == 10, kind
    finally:
        Image.MAX_IMAGE_PIXELS = most


def test_no_opencv_for_usual_files() -> None:
    """OpenCV (0.2 s, libGL) is loaded for AVIF of 10 and 12 bits only; 16-bit TIFF needs none."""
    code = (
        "import sys, numpy as np\n"
        "from pipeline import Frame, Item, Spec\n"
        "from stages.codecs import avif, bmp, gif, pnm, tiff, webp\n"
        "for cls, dtype in ((avif.Avif, 'uint8'), (webp.Webp, 'uint8'), (tiff.Tiff, 'uint16'), (gif.Gif, 'uint8'),\n"
        "                   (bmp.Bmp, 'uint8'), (pnm.Pnm, 'uint16')):\n"
        "    spec = Spec(8, 9, dtype=dtype)\n"
        "    data = memoryview(bytes(cls().encode(Frame(Item(0, ''), 0, spec, np.zeros(spec.shape, dtype)))))\n"
        "    spec = cls().header(data).spec\n"
        "    cls().decode(data, spec, np.empty(spec.shape, spec.dtype))\n"
        "assert 'cv2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


# WebP


def test_an_animation_of_webp_may_have_alpha() -> None:
    """The first frame's alpha, exactly."""
    frames = [Image.fromarray(noise(4, seed=seed)) for seed in range(2)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    spec, out = decoded(Webp(), data)
    assert spec.model == "rgba"
    assert (out == shown(data, "RGBA")).all()


def test_lossless_webp_keeps_hidden_colours() -> None:
    """Colours under full transparency are pixels too."""
    pixels = noise(4)
    pixels[:9, :, 3] = 0
    assert (decoded(Webp(lossless=True), encoded(Webp(lossless=True), pixels))[1] == pixels).all()


def test_bytes_after_a_webp_are_no_damage() -> None:
    """What follows the RIFF container is not part of it; one byte less than it says is a cut."""
    data = encoded(Webp(), smooth())
    decoded(Webp(), data + b"tail")
    with pytest.raises(ItemError, match="truncated"):
        Webp().header(memoryview(data[:-1]))


# AVIF


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_avif_keeps_its_bits(depth: int, channels: int) -> None:
    """10 and 12 bits, which Pillow cuts to 8, become uint16 over its whole range."""
    import cv2

    stored = noise(channels, "uint16") >> (16 - depth)
    bgra = stored if channels == 1 else stored[:, :, [2, 1, 0, 3][:channels]]
    done, data = cv2.imencode(".avif", bgra, [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100])
    assert done
    spec, out = decoded(Avif(), data.tobytes())
    assert (spec.dtype, spec.channels) == ("uint16", channels)
    assert (out == np.rint(stored / ((1 << depth) - 1) * 65535)).all()


@pytest.mark.parametrize(
    ("head", "is_avif"),
    [(b"avif\0\0\0\0mif1miaf", True), (b"avis\0\0\0\0msf1", True), (b"mif1\0\0\0\0mif1avif", True),
     (b"heic\0\0\0\0mif1heic", False), (b"mif1\0\0\0\0mif1heic", False), (b"isom\0\0\0\0iso2mp41", False)],
)  # fmt: skip
def test_avif_is_told_from_heic_and_mp4(head: bytes, is_avif: bool) -> None:
    """By the brands within the first box; what stands behind it does not count."""
    box = struct.pack(">I4s", len(head) + 8, b"ftyp") + head
    assert Avif().matches((box + b"avif" * 8)[:32]) is is_avif


def test_gray_stays_gray_in_avif() -> None:
    """Monochrome in, monochrome out."""
    assert decoded(Avif(), encoded(Avif(), smooth()[:, :, 0]))[0].model == "gray"


# TIFF


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
    image = Image.fromarray(noise(3))
    image = Image.fromarray(noise(1, "uint16")) if mode == "I;16" else image.convert(mode)
    want = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    spec, out = decoded(Tiff(), saved(image, "TIFF", compression=compression))
    assert spec.dtype == ("uint16" if mode == "I;16" else "uint8")
    assert np.abs(out.astype(int) - np.asarray(image.convert(want))).max() <= (mode == "YCbCr")


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_is_read(compression: str) -> None:
    """Pages of scanners."""
    image = Image.fromarray(noise(1) > 127)
    out = decoded(Tiff(), saved(image, "TIFF", compression=compression))[1]
    assert (out == np.asarray(image.convert("L"))).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("predictor", [1, 2])
def test_sixteen_bit_tiff_in_every_layout(order: str, planar: int, tile: int, predictor: int) -> None:
    """Byte orders, planes, tiles and predictor are undone, exactly."""
    pixels = noise(3, "uint16")
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

    pixels = noise(3, "uint16")
    data = encoded(Tiff(), pixels)
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1] == pixels).all()
    done, written = cv2.imencode(".tiff", pixels[:, :, ::-1])
    assert done
    assert (decoded(Tiff(), written.tobytes())[1] == pixels).all()


def test_white_may_be_zero_in_tiff() -> None:
    """Photometric interpretation 0: the largest sample is black."""
    pixels = noise(1)
    data = with_tags(saved(pixels, "TIFF"), _262=0)
    assert (decoded(Tiff(), data)[1] == 255 - pixels).all()


def test_premultiplied_alpha_becomes_straight() -> None:
    """ExtraSamples 1: colours are divided by alpha, to rounding."""
    pixels = np.full((4, 5, 4), (60, 30, 0, 120), np.uint8)
    out = decoded(Tiff(), with_tags(saved(pixels, "TIFF"), _338=1))[1]
    assert (out == (128, 64, 0, 120)).all()


def test_big_tiff_is_read() -> None:
    """Offsets of 64 bits."""
    pixels = noise(3)
    assert (decoded(Tiff(), saved(pixels, "TIFF", big_tiff=True))[1] == pixels).all()


def test_previews_are_no_pages() -> None:
    """A pyramid's smaller copies do not count as pages."""
    image = Image.fromarray(noise(3))
    data = saved(image, "TIFF", save_all=True, append_images=[image], tiffinfo={254: 0})
    assert Tiff().header(memoryview(data)).frames == 2
    assert Tiff().header(memoryview(with_tags(data, page=1, _254=1))).frames == 1


INKS = bytes(16) + b"CMYK" + bytes(108)  # a profile as far as its header is looked at


@pytest.mark.parametrize(
    ("image", "more", "names"),
    [(Image.new("F", (4, 4)), {}, "float 32 bits"), (Image.new("I", (4, 4)), {}, "signed 32 bits"),
     (Image.new("LAB", (4, 4)), {}, r"L\*a\*b\*"),
     (Image.new("CMYK", (4, 4)), {"icc_profile": INKS, "compression": "jpeg"}, "CMYK"),
     (Image.new("RGB", (4, 4)), {"tiffinfo": {254: 1}}, "raw file")],
    ids=["float", "signed", "lab", "cmyk-jpeg-icc", "preview"],
)  # fmt: skip
def test_tiff_that_is_not_read_says_so(image: Image.Image, more: dict[str, Any], names: str) -> None:
    """The kind of picture is named by the header, with a remedy, and never turned into something else."""
    with pytest.raises(ItemError, match=names) as caught:
        Tiff().header(memoryview(saved(image, "TIFF", **more)))
    assert caught.value.remedy


def test_jpeg_in_tiff_holds_eight_bits_without_alpha() -> None:
    """Refused before anything is written."""
    for pixels in (noise(4), noise(3, "uint16")):
        with pytest.raises(SpecError, match="JPEG"):
            encoded(Tiff(compression="jpeg"), pixels)


@pytest.mark.parametrize("size", [(1 << 20, 1 << 20), (0, 5)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_tiff_of_an_impossible_size_is_refused(compression: str, size: tuple[int, int]) -> None:
    """By the header, where the strips that the size needs are not there."""
    data = saved(noise(3), "TIFF", compression=compression)
    changed = with_tags(data, _257=size[0], _256=size[1], _278=size[0])
    if compression == "jpeg" and size[0]:
        assert Tiff().header(memoryview(changed)).spec.size  # JPEG tells its own size; the engine judges this one
        return
    with pytest.raises(ItemError, match=r"damaged|truncated"):
        Tiff().header(memoryview(changed))


# GIF


def test_transparency_of_gif() -> None:
    """The transparent colour has alpha 0 and keeps its colour, as Pillow shows it."""
    data = saved(Image.fromarray(noise(3)).quantize(32), "GIF", transparency=3)
    spec, out = decoded(Gif(), data)
    assert spec.model == "rgba"
    assert (out == shown(data, "RGBA")).all()
    assert not out[..., 3].all()


def test_up_to_256_colours_are_exact() -> None:
    """Drawings come back equal, dithered or not."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, 3), np.uint8)[rng.integers(0, 200, (60, 70))]
    for codec in (Gif(), Gif(dither=True)):
        assert (decoded(codec, encoded(codec, pixels))[1] == pixels).all()


def test_the_number_of_colours_is_kept_to() -> None:
    """And dithering changes which of them are where."""
    plain, dithered = (decoded(Gif(), encoded(Gif(colours=8, dither=dither), smooth()))[1] for dither in (False, True))
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) <= 8
    assert (plain != dithered).any()


def test_what_a_first_frame_leaves_free_is_transparent() -> None:
    """A frame of 2x1 at (1, 1) on a canvas of 4x3."""
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x80, 0, 0) + bytes([10, 20, 30, 40, 50, 60])
    frame = b"," + struct.pack("<HHHHB", 1, 1, 2, 1, 0) + b"\x02" + b"\x02" + bytes([0b00_001_100, 0b0000101_0])
    spec, out = decoded(Gif(), head + frame + b"\0;")
    assert spec.model == "rgba"
    assert (out[1, 1:3] == [(40, 50, 60, 255), (10, 20, 30, 255)]).all()
    assert out[..., 3].sum() == 2 * 255


def test_data_that_ends_before_the_last_pixel_is_damage() -> None:
    """All blocks are there, but hold 3 of 400 pixels."""
    head = b"GIF89a" + struct.pack("<HHBBB", 20, 20, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 20, 20, 0) + b"\x02" + b"\x02" + bytes([0b00_001_100, 0b0000101_0])
    with pytest.raises(ItemError, match="damaged"):
        decoded(Gif(), head + frame + b"\0;")


# BMP


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp_as_pillow_shows_it(mode: str) -> None:
    """1 bit becomes 0 and 255, palettes become rgb."""
    image = Image.fromarray(noise(3))
    image = image.quantize(200) if mode == "P" else image.convert(mode)
    want = {"1": "L", "P": "RGB"}.get(mode, mode)
    assert (decoded(Bmp(), saved(image, "BMP"))[1] == np.asarray(image.convert(want))).all()


def test_rows_of_bmp_may_stand_from_the_top() -> None:
    """A negative height turns the order of rows."""
    data = bytearray(encoded(Bmp(), noise(3)))
    struct.pack_into("<i", data, 22, -HEIGHT)
    assert (decoded(Bmp(), bytes(data))[1] == noise(3)[::-1]).all()


def test_run_lengths_of_bmp() -> None:
    """RLE8: runs, literals and line ends; a cut is seen though its size is not known beforehand."""
    rows = bytes([4, 1, 0, 0]) + bytes([0, 4, 0, 1, 2, 3]) + bytes([0, 1])
    palette = bytes([0, 0, 200, 0, 0, 100, 0, 0, 50, 0, 0, 0, 9, 9, 9, 0])
    info = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(rows), 0, 0, 4, 0)
    data = struct.pack("<2sIII", b"BM", 54 + 16 + len(rows), 0, 70) + info + palette + rows
    out = decoded(Bmp(), data)[1]
    assert (out == [[(200, 0, 0), (0, 100, 0), (0, 0, 50), (9, 9, 9)], [(0, 100, 0)] * 4]).all()
    with pytest.raises(ItemError, match="truncated"):
        Bmp().header(memoryview(data[:-1]))


# PNM


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_binary_pnm_as_pillow_writes_it(mode: str) -> None:
    """P4, P5 and P6, 8 and 16 bits."""
    image = Image.fromarray(noise(1, "uint16")) if mode == "I;16" else Image.fromarray(noise(3)).convert(mode)
    out = decoded(Pnm(), saved(image, "PPM"))[1]
    assert (out == np.asarray(image.convert("L") if mode == "1" else image)).all()


@pytest.mark.parametrize(
    ("data", "want"),
    [(b"P1 3 2\n010\n1 1 0", [[255, 0, 255], [0, 0, 255]]), (b"P2\n# made by\n2 1 # size\n255\n7 250\n", [[7, 250]]),
     (b"P3 1 1 15 0 7 15", [[[0, 119, 255]]]), (b"P2 3 1 300 0 150 300", [[0, 32768, 65535]]),
     (b"P5 2 1 3\n\1\3", [[85, 255]]), (b"P4 9 1\n\xaa\x80", [[0, 255] * 4 + [0]])],
)  # fmt: skip
def test_plain_pnm_and_other_ranges(data: bytes, want: list[Any]) -> None:
    """Digits that touch, comments, and largest samples that are stretched to the range of the dtype."""
    assert Pnm().matches(data[:32])
    assert decoded(Pnm(), data)[1].tolist() == want


@pytest.mark.parametrize(
    "data",
    [b"P5", b"P5 2 2 255\n123", b"P5 0 2 255\n", b"P5 2 2 65536\n12345678", b"P2 2 1 255\n1 256", b"P2 2 1 255\n1    ",
     b"P2 1 1 255 -1", b"P2 1 1 255     ", b"P1 2 2 0102", b"P6 999999999 999999999 255\n", b"P5 2 1 3\n\1\4",
     b"P2 1 1 255 99999999999999999999"],
)  # fmt: skip
def test_damaged_pnm_is_refused(data: bytes) -> None:
    """Cut, impossible, beyond its largest sample, or no numbers."""
    with pytest.raises(ItemError, match=r"(damaged|truncated) PNM"):
        decoded(Pnm(), data)


def test_pictures_of_a_pnm_stream_are_counted() -> None:
    """Netpbm's tools write them one after the other."""
    data = encoded(Pnm(), noise(3)) + encoded(Pnm(), noise(1))
    assert Pnm().header(memoryview(data)).frames == 2
    assert (decoded(Pnm(), data)[1] == noise(3)).all()
