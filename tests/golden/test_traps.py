"""Twenty traps that tools for pictures fall into, each with its number: through the whole chain, from file to file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import counts, plan_of
from PIL import Image, ImageCms, ImageDraw

from pipeline.supervisor import serial
from pipeline.supervisor.report import Report

PHOTO = Path(__file__).parents[2] / "samples/photos"
TURNS = {  # what a viewer does to rows and columns as they are stored, by orientation
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
BACK = {**TURNS, 6: TURNS[8], 8: TURNS[6]}


def run(folder: Path, steps: list[Any], ext: str = "png", **writer: Any) -> Report:
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in")}, [steps or ["identity"]],
        {"use": "files", "path": f"{folder}/out/{{stem}}.{ext}", "overwrite": "always", **writer},
    )  # fmt: skip
    return serial.run(plan)


def made(folder: Path, steps: list[Any], ext: str = "png", **writer: Any) -> np.ndarray[Any, Any]:
    """The picture that becomes of FOLDER/in/a.*."""
    report = run(folder, steps, ext, **writer)
    assert counts(report) == {"done": 1}, report.failures
    with Image.open(folder / f"out/a.{ext}") as image:
        return np.asarray(image)


def put(folder: Path, name: str, picture: Any, **options: Any) -> Path:
    (folder / "in").mkdir(exist_ok=True)
    path = folder / "in" / name
    if isinstance(picture, bytes):
        path.write_bytes(picture)
        return path
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path


def test_01_aliasing(tmp_path: Path) -> None:
    """A zone plate at a quarter: what is too fine is gray, what is not stays."""
    y, x = np.mgrid[0:1024, 0:1024]
    plate = 127.5 + 127.5 * np.cos(np.pi / 2048 * ((x - 512) ** 2 + (y - 512) ** 2))
    put(tmp_path, "a.png", np.rint(plate).astype(np.uint8))
    small = made(tmp_path, [{"resize": {"width": 256}}]).astype(float)
    y, x = (np.mgrid[0:256, 0:256] - 127.5) * 4
    frequency = np.hypot(x, y) / 2048
    stop, keep = (frequency > 0.16) & (frequency < 0.45), frequency < 0.07
    assert small[stop].std() <= 9
    assert small[keep].std() >= 80


def test_02_shrinking_on_load(tmp_path: Path) -> None:
    """A photograph beside a full decode and a full-size Lanczos: 44 dB and more."""
    [photo] = sorted(PHOTO.rglob("*.jpg"))[:1]
    with Image.open(photo) as image:
        large = image.convert("RGB").resize((3000, 2000), Image.Resampling.LANCZOS)
    put(tmp_path, "a.jpg", large, quality=95)
    small = made(tmp_path, [{"resize": {"width": 250}}]).astype(float)
    with Image.open(tmp_path / "in/a.jpg") as image:
        wanted = np.asarray(image.resize((250, small.shape[0]), Image.Resampling.LANCZOS)).astype(float)
    assert 10 * np.log10(255**2 / ((small - wanted) ** 2).mean()) >= 44


def test_03_edges_after_shrinking(tmp_path: Path) -> None:
    """A red frame of one pixel around 257x257 weighs at each edge what it weighs without shrinking on load.

    libjpeg's 1/4 itself takes 6 levels off the first edge (1/2 takes 2); a resize by Pillow's `box` would be 28 off at
    the last.
    """
    image = Image.new("RGB", (257, 257), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 256, 256), outline="red")
    put(tmp_path, "a.jpg", image, quality=100, subsampling=0)
    whole = made(tmp_path, [{"resize": {"width": 30, "reducing_gap": None}}]).astype(int)
    for gap, most in ((2, 10), (3, 5)):
        shrunk = made(tmp_path, [{"resize": {"width": 30, "reducing_gap": gap}}]).astype(int)
        for edge in ((0, slice(2, -2)), (-1, slice(2, -2)), (slice(2, -2), 0), (slice(2, -2), -1)):
            assert abs(shrunk[edge].mean(axis=0) - whole[edge].mean(axis=0)).max() <= most


@pytest.mark.parametrize(("ext", "size"), [("jpg", (63, 42)), ("png", (63, 42)), ("webp", (63, 42))])
def test_04_sizes_do_not_depend_on_the_format(tmp_path: Path, ext: str, size: tuple[int, int]) -> None:
    put(tmp_path, f"a.{ext}", Image.new("RGB", (501, 333), "teal"))
    assert made(tmp_path, [{"resize": {"width": 63}}]).shape[1::-1] == size


def test_05_gamma(tmp_path: Path) -> None:
    """A checkerboard halved: 128 as everywhere, 188 in linear light."""
    y, x = np.mgrid[0:64, 0:64]
    put(tmp_path, "a.png", ((x + y) % 2 * 255).astype(np.uint8))
    for how, level in (("encoded", 128), ("linear", 188)):
        small = made(tmp_path, [{"resize": {"width": 32, "light": how, "kernel": "area"}}])
        assert abs(int(np.median(small)) - level) <= 1


def test_06_premultiplied_alpha(tmp_path: Path) -> None:
    """No green fringe: opaque red beside clear green."""
    pixels = np.zeros((8, 9, 4), np.uint8)
    pixels[:, :4], pixels[:, 4:] = (255, 0, 0, 255), (0, 255, 0, 0)
    put(tmp_path, "a.png", pixels)
    small = made(tmp_path, [{"resize": {"width": 3, "height": 8, "fit": "fill", "kernel": "area"}}])
    assert np.abs(small[4, 1].astype(int) - (255, 0, 0, 85)).max() <= 1


@pytest.mark.parametrize("ext", ["jpg", "webp", "png", "tif", "avif"])
def test_07_orientation(tmp_path: Path, ext: str) -> None:
    """Eight files of a family give one picture; no output has a tag that turns it again; sizes are those as seen."""
    upright = Image.new("RGB", (60, 40), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 29, 12), fill=(200, 30, 30))
    ImageDraw.Draw(upright).rectangle((40, 20, 59, 39), fill=(30, 30, 200))
    for number, turn in BACK.items():
        exif = Image.Exif()
        exif[0x0112] = number
        stored = upright if turn is None else upright.transpose(turn)
        options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}, "avif": {"quality": 95}}
        put(tmp_path, f"{number}.{ext}", stored, exif=exif, **options.get(ext, {}))
    report = run(tmp_path, ["orient", {"resize": {"width": 30}}], keep=["exif"])
    assert counts(report) == {"done": 8}
    first = None
    for number in BACK:
        with Image.open(tmp_path / f"out/{number}.png") as image:
            assert image.getexif().get(0x0112, 1) == 1
            pixels = np.asarray(image.convert("RGB")).astype(int)
        first = pixels if first is None else first
        assert pixels.shape == (20, 30, 3)
        assert np.abs(pixels - first).mean() <= 1.5


@pytest.mark.parametrize("ext", ["jpg", "webp", "avif", "png", "tif"])
def test_08_no_wide_colours_without_their_profile(tmp_path: Path, ext: str) -> None:
    """AdobeRGB's green becomes sRGB untagged, or keeps its numbers and its profile."""
    from stages.media import icc

    profile = icc.matrix_profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
    put(tmp_path, "a.jpg", Image.new("RGB", (64, 64), (120, 180, 90)), icc_profile=profile, quality=98)
    made(tmp_path, [], ext, quality=95)
    with Image.open(tmp_path / f"out/a.{ext}") as image:
        assert not image.info.get("icc_profile")
        pixel = np.array(image.convert("RGB").getpixel((32, 32)))
    source = Image.new("RGB", (1, 1), (120, 180, 90))
    wanted = ImageCms.profileToProfile(
        source, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert wanted is not None
    assert np.abs(pixel - np.array(wanted.getpixel((0, 0)))).max() <= 4
    made(tmp_path, [], ext, quality=95, icc="keep")
    with Image.open(tmp_path / f"out/a.{ext}") as image:
        assert image.info["icc_profile"] == profile
        assert np.abs(np.array(image.convert("RGB").getpixel((32, 32))) - (120, 180, 90)).max() <= 4


def test_09_cmyk(tmp_path: Path) -> None:
    """Without a profile inks darken in turn; Adobe's inverted sense is known."""
    put(tmp_path, "a.jpg", Image.new("CMYK", (32, 32), (200, 40, 10, 30)), quality=98)
    pixel = made(tmp_path, [])[16, 16]
    assert np.abs(pixel.astype(int) - [(255 - ink) * 225 // 255 for ink in (200, 40, 10)]).max() <= 4


@pytest.mark.parametrize("ext", ["png", "tif"])
def test_10_sixteen_bits(tmp_path: Path, ext: str) -> None:
    """Exact from 16 to 16, rounded and never cut to 8."""
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    put(tmp_path, f"a.{ext}", Image.fromarray(ramp))
    assert (made(tmp_path, [], ext) == ramp).all()
    eight = made(tmp_path, [{"convert": {"dtype": "uint8"}}])
    assert (eight == (ramp.astype(int) * 255 + 32767) // 65535).all()


def test_11_palettes_and_transparent_grays(tmp_path: Path) -> None:
    """A palette is averaged as colours; 4-bit gray with a transparent level has alpha."""
    image = Image.new("P", (64, 64))
    image.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    image.putdata([(x + y) % 2 for y in range(64) for x in range(64)])
    put(tmp_path, "a.png", image)
    pixel = made(tmp_path, [{"resize": {"width": 32, "kernel": "area"}}])[16, 16]
    assert np.abs(pixel.astype(int) - (128, 0, 128)).max() <= 1
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + bytes([0x0F, 0xA0]) for _ in range(4))
    put(tmp_path, "a.png", b"".join((
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 4, 0, 0, 0, 0)),
        chunk(b"tRNS", struct.pack(">H", 15)), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""),
    )))  # fmt: skip
    pixels = made(tmp_path, [])
    assert pixels[0].tolist() == [[0, 255], [255, 0], [170, 255], [0, 255]]


@pytest.mark.parametrize("ext", ["jpg", "png", "webp", "gif", "tif", "avif"])
def test_12_truncated(tmp_path: Path, ext: str) -> None:
    """Ten cuts of a good file: not one is done in silence."""
    rng = np.random.default_rng(1)
    whole = put(tmp_path, f"a.{ext}", rng.integers(0, 255, (64, 64, 3), np.uint8)).read_bytes()
    (tmp_path / f"in/a.{ext}").unlink()
    for tenth in range(1, 11):
        put(tmp_path, f"{tenth:02d}.{ext}", whole[: len(whole) * tenth // 11])
    report = run(tmp_path, [])
    assert counts(report) == {"failed": 10}


def test_13_bombs(tmp_path: Path) -> None:
    """44 bytes that claim 4.36 gigapixels are refused by the limit, before anything is decoded."""
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF0, 0, 0) + bytes(6)
    gif += b"," + struct.pack("<4HB", 0, 0, 65535, 65535, 0) + b"\2\2\x4c\1\0;"
    put(tmp_path, "a.gif", gif)
    [failure] = run(tmp_path, []).failures
    assert "limits: {pixels}" in failure.reason


@pytest.mark.parametrize(
    ("size", "box", "wanted"),
    [((500, 333), 100, (100, 67)), ((4032, 3024), 250, (250, 188)), ((1000, 3), 100, (100, 1))],
)
def test_14_aspect(tmp_path: Path, size: tuple[int, int], box: int, wanted: tuple[int, int]) -> None:
    put(tmp_path, "a.png", Image.new("L", size))
    small = made(tmp_path, [{"resize": {"width": box, "height": box, "fit": "inside"}}])
    assert small.shape[1::-1] == wanted


def test_15_chroma(tmp_path: Path) -> None:
    """The edge between red and blue stays where it is at 4:2:0; quality and subsampling are what was asked for."""
    edge = np.zeros((64, 64, 3), np.uint8)
    edge[:, :33], edge[:, 33:] = (255, 0, 0), (0, 0, 255)
    put(tmp_path, "a.jpg", edge, quality=95, subsampling="4:2:0")
    row = made(tmp_path, [])[32].astype(float)
    assert abs((row[:, 0] / 255).sum() - 33) <= 0.15
    run(tmp_path, [], "jpg", quality=60)
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.layer[0][1:3] == (2, 2)  # type: ignore[attr-defined]


def test_16_animations_are_not_cut_in_silence(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    put(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert "holds several frames or pages: only the first was read" in str(run(tmp_path, []).remarks)


def test_17_what_does_not_change_keeps_its_pixels(tmp_path: Path) -> None:
    """A chain that changes nothing writes the very pixels to a lossless format, and loses little to JPEG's rounding."""
    [photo] = sorted(PHOTO.rglob("*.jpg"))[:1]
    put(tmp_path, "a.jpg", photo.read_bytes())
    steps = ["orient", {"resize": {"width": 9000, "without_enlargement": True}}]
    same = made(tmp_path, steps, icc="drop")
    with Image.open(photo) as image:
        assert (same == np.asarray(image)).all()


def test_17_what_does_not_change_is_copied_on_request(tmp_path: Path) -> None:
    """The very pixels as JPEG too, and no metadata that was not asked for; what changes is encoded."""
    [photo] = sorted(PHOTO.rglob("*.jpg"))[:1]
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    with Image.open(photo) as image:
        put(tmp_path, "a.jpg", image, quality="keep", exif=exif)
    for width, same in ((9000, True), (60, False)):
        steps = ["orient", {"resize": {"width": width, "without_enlargement": True}}]
        run(tmp_path, steps, "jpg", unchanged="copy", quality=30)
        with Image.open(tmp_path / "out/a.jpg") as image, Image.open(tmp_path / "in/a.jpg") as before:
            assert (image.size == before.size and (np.asarray(image) == np.asarray(before)).all()) == same
            assert not image.getexif()


def test_18_gain_maps_are_spoken_of(tmp_path: Path) -> None:
    """A file with an HDR gain map: the picture for common screens, and a remark."""
    jpeg = put(tmp_path, "a.jpg", Image.new("RGB", (16, 16), "olive")).read_bytes()
    content = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    put(tmp_path, "a.jpg", jpeg[:2] + struct.pack(">BBH", 0xFF, 0xE2, len(content) + 2) + content + jpeg[2:])
    assert "has an HDR gain map, which outputs lose" in str(run(tmp_path, []).remarks)


def test_19_errors_are_of_one_kind(tmp_path: Path) -> None:
    """Bytes that are changed at random: each file fails alone, with a reason in one line, or is read."""
    rng = np.random.default_rng(2)
    good = put(tmp_path, "a.tif", rng.integers(0, 255, (32, 32, 3), np.uint8), compression="tiff_lzw").read_bytes()
    (tmp_path / "in/a.tif").unlink()
    for number in range(40):
        data = bytearray(good)
        for place in rng.integers(0, len(data), 6):
            data[place] = int(rng.integers(0, 256))
        put(tmp_path, f"{number:02d}.tif", bytes(data))
    report = run(tmp_path, [])
    told = counts(report)
    assert sum(told.values()) == 40
    assert set(told) <= {"done", "failed"}
    assert not any("Traceback" in failure.reason for failure in report.failures)


def test_20_stages_write_where_they_are_told(tmp_path: Path) -> None:
    """Through workers and shared memory, every stage after the other: as from one process."""
    from pipeline.supervisor import execution

    put(tmp_path, "a.png", np.random.default_rng(3).integers(0, 255, (90, 120, 3), np.uint8))
    steps = [{"resize": {"width": 60}}, {"blur": {"sigma": 1.0}}, {"adjust": {"contrast": 1.2}}, "sharpen"]
    serially = made(tmp_path, steps)
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [[step] for step in steps],
        {"use": "files", "path": f"{tmp_path}/staged/{{stem}}.png"},
    )  # fmt: skip
    assert counts(execution.run(plan)) == {"done": 1}
    with Image.open(tmp_path / "staged/a.png") as image:
        assert (np.asarray(image) == serially).all()
