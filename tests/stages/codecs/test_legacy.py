"""Formats of old software: what Pillow writes of them comes back, and nothing else is taken for one."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import decoded, noise, saved, smooth
from PIL import Image

from pipeline import ItemError, Size
from stages.codecs.legacy import Legacy
from stages.media import signatures


@pytest.mark.parametrize(
    ("kind", "channels"),
    [("PCX", 1), ("PCX", 3), ("TGA", 1), ("TGA", 3), ("TGA", 4), ("SGI", 1), ("SGI", 3), ("SGI", 4), ("ICO", 4)],
)
def test_what_pillow_writes(kind: str, channels: int) -> None:
    pixels = noise(40, 40, channels)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    options = {"sizes": [(40, 40)]} if kind == "ICO" else {}
    data = saved(image, kind, **options)
    assert signatures.legacy(data[:32]) == kind
    spec, got = decoded(Legacy(), data)
    assert (spec.channels, spec.dtype) == (channels, "uint8")
    assert (got.reshape(pixels.shape) == pixels).all()


def test_run_lengths_of_tga() -> None:
    pixels = smooth(20, 30)
    data = saved(Image.fromarray(pixels), "TGA", compression="tga_rle")
    assert (decoded(Legacy(), data)[1] == pixels).all()


def test_a_palette_becomes_colours() -> None:
    image = Image.fromarray(smooth(20, 30)).quantize(16)
    for kind in ("PCX", "TGA"):
        assert (decoded(Legacy(), saved(image, kind))[1] == np.asarray(image.convert("RGB"))).all()


def qoi(pixels: np.ndarray) -> bytes:
    """Every pixel as it is (QOI_OP_RGB)."""
    height, width, _ = pixels.shape
    head = b"qoif" + struct.pack(">IIBB", width, height, 3, 0)
    return head + b"".join(b"\xfe" + bytes(pixel) for pixel in pixels.reshape(-1, 3)) + bytes(7) + b"\1"


def psd(pixels: np.ndarray) -> bytes:
    """A flattened document without layers, unpacked."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3)
    return head + struct.pack(">III", 0, 0, 0) + b"\0\0" + pixels.transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("make", [qoi, psd])
def test_what_pillow_only_reads(make: object) -> None:
    pixels = noise(12, 17)
    spec, got = decoded(Legacy(), make(pixels))  # type: ignore[operator]
    assert spec.size == (12, 17)
    assert (got == pixels).all()


def test_it_shrinks_and_alpha_weighs() -> None:
    """Opaque red beside clear green: red."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 0, 0, 255), (0, 255, 0, 0)
    data, codec = saved(Image.fromarray(pixels), "TGA"), Legacy()
    spec = codec.shrunk(codec.header(memoryview(data)).spec, Size(4, 4))
    out = np.zeros(spec.shape, np.uint8)
    codec.decode(memoryview(data), spec, out)
    assert np.abs(out.astype(int) - (255, 0, 0, 128)).max() <= 1


@pytest.mark.parametrize("kind", ["PCX", "TGA", "SGI", "ICO"])
def test_a_cut_file_fails(kind: str) -> None:
    data = saved(Image.fromarray(noise(64, 64)), kind)
    for part in (0.05, 0.3, 0.7):
        with pytest.raises(ItemError, match=kind):
            decoded(Legacy(), data[: int(len(data) * part) + 20])


def test_texts_and_zeros_are_no_pictures() -> None:
    """TGA has no mark, so what is impossible in one rules it out."""
    rng = np.random.default_rng(0)
    taken = sum(bool(signatures.legacy(rng.bytes(32))) for _ in range(20_000))
    assert taken <= 2
    for head in (b"", bytes(32), b"Dear diary, today I went out to ", b"\x0a\x0a\x0aThree empty lines, then text.."):
        assert not signatures.legacy(head)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("DDS", "RGB"), ("DDS", "RGBA"), ("ICNS", "RGBA"),  ("MSP", "1"), ("XBM", "1"), ("DIB", "RGB")],
)  # fmt: skip
def test_special_software_that_pillow_writes_for(kind: str, mode: str) -> None:
    picture = Image.fromarray(smooth(128, 128)).convert(mode)
    data = saved(picture, kind)
    assert signatures.legacy(data[:32]) == kind
    _, got = decoded(Legacy(), data)
    wanted = np.asarray(picture.convert("L") if mode == "1" else picture)
    assert (got[-128:, -128:] == wanted).all() if kind != "ICNS" else got.shape[2] == 4


def sun(pixels: np.ndarray) -> bytes:
    """Standard raster of 24 bits: blue first, rows of an even number of bytes."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, width * 3 + width % 2), np.uint8)
    rows[:, : width * 3] = pixels[..., ::-1].reshape(height, -1)
    return struct.pack(">8I", 0x59A66A95, width, height, 24, rows.size, 1, 0, 0) + rows.tobytes()


def pixar(pixels: np.ndarray) -> bytes:
    height, width, _ = pixels.shape
    head = bytearray(1024)
    head[:4] = b"\x80\xe8\0\0"
    struct.pack_into("<HH", head, 416, height, width)
    struct.pack_into("<HH", head, 424, 14, 2)
    return bytes(head) + pixels.tobytes()


def brush(pixels: np.ndarray) -> bytes:
    """A GIMP brush of colours and alpha, version 2."""
    height, width, _ = pixels.shape
    rgba = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
    return struct.pack(">5I4sI", 28 + 2, 2, width, height, 4, b"GIMP", 10) + b"a\0" + rgba.tobytes()


def texture(pixels: np.ndarray) -> bytes:
    """FTEX, unpacked."""
    height, width, _ = pixels.shape
    return b"FTEX" + struct.pack("<5iI", 0x00010000, width, height, 1, 1, 1) + struct.pack(
        "<II", 32, pixels.size
    ) + pixels.tobytes()  # fmt: skip


def xpm(pixels: np.ndarray) -> bytes:
    """Each pixel is a colour of its own."""
    height, width, _ = pixels.shape
    names = [f"{number:03d}" for number in range(height * width)]
    colours = [
        f'"{name} c #{r:02x}{g:02x}{b:02x}",' for name, (r, g, b) in zip(names, pixels.reshape(-1, 3), strict=True)
    ]
    rows = [f'"{"".join(names[y * width : (y + 1) * width])}",' for y in range(height)]
    head = ["/* XPM */", "static char * a[] = {", f'"{width} {height} {len(names)} 3",']
    return "\n".join((*head, *colours, *rows, "};")).encode()


def flic(*frames: np.ndarray) -> bytes:
    """FLC: for each frame a palette, and the pixels as they are."""
    height, width, _ = frames[0].shape
    film = b"".join(flic_frame(frame) for frame in frames)
    head = struct.pack("<IHHHHHHI", 128 + len(film), 0xAF12, len(frames), width, height, 8, 3, 70)
    return head + bytes(128 - len(head)) + film


def flic_frame(pixels: np.ndarray) -> bytes:
    height, width, _ = pixels.shape
    image = Image.fromarray(pixels).quantize(256)
    palette = bytes(image.getpalette()) + bytes(768 - len(image.getpalette()))  # type: ignore[arg-type]
    chunks = struct.pack("<IHHBB", 6 + 4 + 768, 4, 1, 0, 0) + palette + struct.pack("<IH", 6 + height * width, 16)
    chunks += np.asarray(image).tobytes()
    return struct.pack("<IHH8x", 16 + len(chunks), 0xF1FA, 2) + chunks


def dcx(*pages: np.ndarray) -> bytes:
    """Pages of PCX after a table of their places."""
    files = [saved(Image.fromarray(page), "PCX") for page in pages]
    places = [4 + 4 * (len(files) + 1) + sum(map(len, files[:number])) for number in range(len(files))]
    return struct.pack(f"<{len(files) + 2}I", 0x3ADE68B1, *places, 0) + b"".join(files)


@pytest.mark.parametrize("make", [sun, pixar, brush, texture, xpm, flic], ids=lambda make: make.__name__)
def test_special_software_that_pillow_only_reads(make: object) -> None:
    pixels = np.asarray(Image.fromarray(noise(8, 11)).quantize(64).convert("RGB"))
    data = make(pixels)  # type: ignore[operator]
    assert signatures.legacy(data[:32])
    spec, got = decoded(Legacy(), data)
    assert spec.size == (8, 11)
    assert np.abs(got[..., :3].astype(int) - pixels).max() <= 1


def test_pages() -> None:
    """All of a DCX are there, each of its own size; the first is what `decode` gives."""
    wanted = [np.asarray(Image.fromarray(noise(height, 11)).quantize(64).convert("RGB")) for height in (8, 5)]
    data = memoryview(dcx(*wanted))
    header = Legacy().header(data)
    assert header.frames == 2
    for page, picture in zip(wanted, Legacy().pictures(data, header), strict=True):
        out = np.zeros(picture.spec.shape, np.uint8)
        picture.fill(out)
        assert (out == page).all()
    assert (decoded(Legacy(), bytes(data))[1] == wanted[0]).all()


def test_an_animation_gives_its_first_frame_and_says_so() -> None:
    header = Legacy().header(memoryview(flic(noise(8, 11), noise(8, 11, seed=1))))
    assert header.frames == 1
    assert "the reader `video` reads all" in header.remarks[0]


def test_a_header_of_c_is_no_bitmap() -> None:
    for head in (b"#define MOST_FRAMES 12\n#define LE", b"#define WIDTH 12\n#define HEIGHT 9"):
        assert not signatures.legacy(head)
