"""What WebP, AVIF, TIFF, GIF, BMP and PNM have in common: a user would miss it, and decoders do it silently."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import profiles
import pytest
from harness import ROOT
from pictures import decoded, encoded, grain, saved, shown, smooth
from PIL import Image

from pipeline import Codec, Colour, Frame, Item, ItemError, Spec, SpecError, UsageError
from stages.codecs.avif import Avif
from stages.codecs.bmp import Bmp
from stages.codecs.gif import Gif
from stages.codecs.pnm import Pnm
from stages.codecs.tiff import Tiff
from stages.codecs.webp import Webp


@pytest.mark.parametrize(
    ("codec", "channels", "dtype"),
    [(Webp(lossless=True), 3, "uint8"), (Webp(lossless=True), 4, "uint8"), (Gif(), 1, "uint8"), (Bmp(), 1, "uint8"),
     (Bmp(), 3, "uint8"), (Bmp(), 4, "uint8"), (Pnm(), 1, "uint8"), (Pnm(), 3, "uint8"), (Pnm(), 1, "uint16"),
     (Pnm(), 3, "uint16")],
)  # fmt: skip
def test_lossless_formats_are_exact(codec: Codec, channels: int, dtype: str) -> None:
    """Noise comes back equal, and Pillow sees the same where it reads the depth."""
    pixels = grain(channels, dtype)
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
    first, *others = [Image.fromarray(grain(3, seed=seed)) for seed in range(3)]
    data = saved(first, kind, save_all=True, append_images=others, duration=100, **more)
    assert codec.header(memoryview(data)).frames == 3
    assert (decoded(codec, data)[1] == shown(data, "RGB")).all()
    assert codec.header(memoryview(saved(first, kind, **more))).frames == 1


@pytest.mark.parametrize("codec", [Webp(), Avif(), Tiff()], ids=["webp", "avif", "tiff"])
def test_a_profile_is_kept_for_pillow_too(codec: Codec) -> None:
    """Another reader finds the profile that was written."""
    icc = profiles.rgb(profiles.P3, 2.2)
    with Image.open(io.BytesIO(encoded(codec, smooth(), icc))) as image:
        assert image.info["icc_profile"] == icc


@pytest.mark.parametrize("codec", [Webp(), Avif()], ids=["webp", "avif"])
def test_a_profile_of_gray_does_not_go_with_colour(codec: Codec) -> None:
    """Where gray has to be written as rgb, its profile would be wrong."""
    icc = bytes(16) + b"GRAY" + bytes(112)
    data = encoded(codec, grain(2), icc)
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
        "from pipeline import Colour, Frame, Item, Spec\n"
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
