"""JPEG: its header in all the states that files are in, scales, transparency and profiles."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

from pipeline import Colour, DecodeContext, Frame, Item, ItemError, Metadata, Size, Spec, SpecError, UsageError
from stages.codecs.jpeg import Jpeg

PHOTOS = ROOT / "samples/photos"


def pixels(height: int = 40, width: int = 56, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([127 + 100 * np.sin(y / (5 + k) + x / 9) for k in range(channels)]).astype(np.uint8)


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def decoded(data: bytes, spec: Spec | None = None) -> np.ndarray:
    view = memoryview(data)
    spec = spec or Jpeg().header(view).spec
    out = np.empty(spec.shape, spec.dtype)
    Jpeg().decode(view, spec, out)
    return out


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """The file with more segments behind its first marker."""
    return data[:2] + b"".join(segments) + data[2:]


def encoded(frame_pixels: np.ndarray, model: str, codec: Jpeg | None = None, icc: bytes = b"") -> bytes:
    spec = Spec.of(model, *frame_pixels.shape[:2], dtype=frame_pixels.dtype.name)
    return (codec or Jpeg()).encode(Frame(Item(0, ""), 0, spec, frame_pixels, Metadata(icc)))


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decodes_as_pillow_does(mode: str, options: dict[str, object]) -> None:
    """Gray stays gray; baseline, progressive and every sampling give the same pixels as libjpeg-turbo elsewhere."""
    data = jpeg(mode, **options)
    want = np.asarray(Image.open(io.BytesIO(data)))
    assert (decoded(data) == want.reshape(*want.shape[:2], -1)).all()


def test_inks_become_rgb() -> None:
    """CMYK as Pillow converts it, without the profile, which is one of inks."""
    data = jpeg("CMYK", icc_profile=b"p" * 200)
    header = Jpeg().header(memoryview(data))
    assert (header.spec.model, header.spec.channels, header.metadata.icc) == ("rgb", 3, b"")
    want = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert abs(decoded(data) - want).max() <= 1


def test_metadata_is_found_wherever_it_stands() -> None:
    """EXIF and XMP without their prefixes; ICC chunks joined by number, though they come in another order."""
    chunks = [segment(0xFFE2, b"ICC_PROFILE\0" + bytes((number, 3)) + bytes([number]) * 9) for number in (3, 1, 2)]
    exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    data = with_segments(
        jpeg(), *chunks, segment(0xFFE1, b"Exif\0\0" + exif), segment(0xFFE1, xmp), b"\xff\xff\xff\x01"
    )
    metadata = Jpeg().header(memoryview(data)).metadata
    assert metadata == Metadata(bytes([1] * 9 + [2] * 9 + [3] * 9), exif, b"<x/>")


@pytest.mark.parametrize("numbers", [(1, 3), (2,), (0, 1)])
def test_a_profile_with_a_gap_is_left_out(numbers: tuple[int, ...]) -> None:
    """Half a profile is none, and does not fail the file."""
    chunks = [segment(0xFFE2, b"ICC_PROFILE\0" + bytes((number, 3)) + b"x") for number in numbers]
    assert Jpeg().header(memoryview(with_segments(jpeg(), *chunks))).metadata.icc == b""


def frame_header(data: bytes, at: int, content: bytes) -> memoryview:
    """The file with some bytes of its frame header changed; 0 is the precision, 1 the height, 3 the width."""
    start = data.index(b"\xff\xc0") + 4 + at
    return memoryview(data[:start] + content + data[start + len(content) :])


@pytest.mark.parametrize(
    ("at", "content", "reason"),
    [(0, b"\x0c", "12 bits"), (1, b"\0\0", "x0 "), (3, b"\0\0", "0x"), (5, b"\x02", "2 components")],
)
def test_headers_that_cannot_be_read_are_refused(at: int, content: bytes, reason: str) -> None:
    """12 bits a sample, no rows, no columns, two components: each in one line that says so."""
    with pytest.raises(ItemError, match=reason):
        Jpeg().header(frame_header(jpeg(), at, content))


def test_a_header_that_lies_is_refused() -> None:
    """Rows that are not in the file are an error and not a gray tail."""
    data = frame_header(jpeg(), 1, struct.pack(">H", 400))
    spec = Jpeg().header(data).spec
    with pytest.raises(ItemError, match="truncated"):
        Jpeg().decode(data, spec, np.empty(spec.shape, np.uint8))


def test_decoding_to_another_size_than_announced_is_refused() -> None:
    """A Spec that is none of the decoder's never leaves part of `out` unwritten."""
    data = memoryview(jpeg())
    for height, width in ((39, 56), (41, 56), (80, 112), (17, 20)):
        with pytest.raises(ItemError):
            Jpeg().decode(data, Spec(40, 56).shrunk(height, width), np.empty((height, width, 3), np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\x08" + bytes(9),
        b"\xff\xd8ab" + bytes(9),
    ],
)
def test_files_without_a_frame_header_are_refused(data: bytes) -> None:
    """Whatever comes in its place."""
    with pytest.raises(ItemError):
        Jpeg().header(memoryview(data))


def test_what_follows_the_picture_is_ignored() -> None:
    """Thumbnails, gain maps and junk behind the end marker."""
    assert (decoded(jpeg() + b"junk" * 100) == decoded(jpeg())).all()


def test_shrinks_by_powers_of_two_only() -> None:
    """The smallest of 1/8, 1/4, 1/2 that is enough on both axes, rounded up."""
    full = Spec(3024, 4031)
    shrunk = Jpeg().shrunk
    assert shrunk(full, Size(378, 504)).size == (378, 504)
    assert shrunk(full, Size(379, 1)).size == (756, 1008)
    assert shrunk(full, Size(1, 1009)).size == (1512, 2016)
    assert shrunk(full, Size(1, 2017)) == full
    assert shrunk(full, Size(9999, 1)) == full


def test_shrinks_no_fraction_to_the_front() -> None:
    """A turn that would make a fractional last row the first takes a scale without one, so that nothing shifts."""
    shrunk, need = Jpeg().shrunk, Size(100, 100)
    assert shrunk(Spec(1001, 1600), need).size == (126, 200)
    assert shrunk(Spec(1001, 1600, orientation=6), need).size == (1001, 1600)
    assert shrunk(Spec(1004, 1600, orientation=6), need).size == (251, 400)
    assert shrunk(Spec(1001, 1600, orientation=8), need).size == (126, 200)
    assert shrunk(Spec(1600, 1001, orientation=2), need).size == (1600, 1001)
    assert shrunk(Spec(1600, 1001, orientation=5), need).size == (200, 126)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 7), (1, 9), (8, 8), (13, 21)])
def test_tiny_pictures_are_decoded_whole(size: tuple[int, int]) -> None:
    """Below 8 pixels several scales have one size; the full one must be meant."""
    stored = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    data = encoded(stored, "rgb", Jpeg(quality=100, subsampling="444"))
    assert abs(decoded(data).astype(int) - stored).max() <= 4


@pytest.mark.parametrize(("model", "ground"), [("rgba", (16, 32, 64)), ("gray_alpha", (31,))])
def test_transparency_is_flattened_over_the_background(model: str, ground: tuple[int, ...]) -> None:
    """Clear is the background, opaque the colour, half between them; gray takes the background's luma."""
    stored = np.zeros((48, 16, len(ground) + 1), np.uint8)
    stored[..., :-1] = 200
    stored[16:32, :, -1], stored[32:, :, -1] = 128, 255
    out = decoded(encoded(stored, model, Jpeg(quality=100, background=Colour(0x10, 0x20, 0x40))))
    assert out.shape[2] == len(ground)
    half = [round((200 * 128 + value * 127) / 255) for value in ground]
    for row, want in ((8, ground), (24, half), (40, (200,) * len(ground))):
        assert abs(out[row, 8].astype(int) - want).max() <= 2


def test_what_cannot_be_encoded_is_refused_with_a_remedy() -> None:
    """16 bits, floats and inks; and a background that is not opaque."""
    for stored, model in (
        (np.zeros((8, 8, 3), np.uint16), "rgb"),
        (np.zeros((8, 8, 1), np.float32), "gray"),
        (np.zeros((8, 8, 4), np.uint8), "cmyk"),
    ):
        with pytest.raises(SpecError) as caught:
            encoded(stored, model)
        assert caught.value.remedy
    with pytest.raises(UsageError):
        Jpeg(background=Colour(255, 255, 255, 0))


def test_settings_reach_the_encoder() -> None:
    """Quality and subsampling change the file as they should."""
    sizes = [len(encoded(pixels(), "rgb", Jpeg(quality=quality))) for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    samplings = {
        name: Image.open(io.BytesIO(encoded(pixels(), "rgb", Jpeg(subsampling=name)))) for name in ("420", "422", "444")
    }  # type: ignore[arg-type]
    assert [image.layer[0][1:3] for image in samplings.values()] == [(2, 2), (2, 1), (1, 1)]  # type: ignore[attr-defined]


ICC_CHUNK = 65535 - 2 - 14  # what an APP2 segment holds beside its length, name and two counters


@pytest.mark.parametrize("length", [1, ICC_CHUNK, ICC_CHUNK + 1, 3 * ICC_CHUNK])
def test_a_profile_is_read_by_others_too(length: int) -> None:
    """Pillow finds the spliced profile whole, and the pixels are those of the file without it."""
    icc = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    data = encoded(pixels(), "rgb", icc=icc)
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == icc
    assert (decoded(data) == decoded(encoded(pixels(), "rgb"))).all()


def test_the_profile_of_a_photograph_survives() -> None:
    """samples/photos/trip/forest_icc.jpg, read and written, has the profile it had."""
    source = (PHOTOS / "trip/forest_icc.jpg").read_bytes()
    header = Jpeg().header(memoryview(source))
    again = encoded(decoded(source), "rgb", icc=header.metadata.icc)
    assert Image.open(io.BytesIO(again)).info["icc_profile"] == Image.open(io.BytesIO(source)).info["icc_profile"]


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_what_is_cut_may_be_salvaged(options: dict[str, object]) -> None:
    """Refused by default; else what is there is read, and the remark never says that all of it was."""
    file = io.BytesIO()
    Image.fromarray(pixels(400, 300)).save(file, "JPEG", **options)
    data = memoryview(file.getvalue()[: len(file.getvalue()) * 2 // 3])
    spec, said = Jpeg().header(data).spec, list[str]()
    out = np.zeros(spec.shape, np.uint8)
    with pytest.raises(ItemError, match=r"truncated.*; `on_damage: salvage` of the reader writes what can be read"):
        Jpeg().decode(data, spec, out)
    Jpeg().decode(data, spec, out, DecodeContext(salvage=True, remark=said.append))
    assert len(said) == 1
    assert "salvaged" in said[0]
    assert np.abs(out[:100].astype(int) - pixels(400, 300)[:100]).mean() < (30 if options else 4)
