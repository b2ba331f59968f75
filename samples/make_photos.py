"""Draws samples/photos and samples/broken: the same bytes each time with the same numpy and Pillow.

Run from anywhere: python samples/make_photos.py [FOLDER]. Everything here is made by this script and is CC0.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

Plane = np.ndarray  # (H, W) float32, mostly 0 to 1
Picture = np.ndarray  # (H, W, 3) float32, 0 to 1


def cloud(rng: np.random.Generator, height: int, width: int, *, scale: float = 4, roughness: float = 0.55) -> Plane:
    """Fractal noise: octaves of random grids, each finer and fainter, stretched to 0..1."""
    total, strength = np.zeros((height, width), np.float32), 1.0
    while scale < max(height, width):
        grid = rng.random((int(scale * height / width) + 2, int(scale) + 2), np.float32)
        octave = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += strength * np.asarray(octave)
        scale, strength = scale * 2, strength * roughness
    return (total - total.min()) / np.ptp(total)


def ramp(height: int, width: int, top: tuple[float, ...], bottom: tuple[float, ...]) -> Picture:
    """A vertical gradient between two colours."""
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to((1 - share) * np.float32(top) + share * np.float32(bottom), (height, width, 3)).copy()


def over(picture: Picture, mask: Plane, colour: Picture | tuple[float, ...]) -> Picture:
    """A colour laid over a picture where the mask is 1."""
    return picture * (1 - mask[..., None]) + np.float32(colour) * mask[..., None]


def ridge(rng: np.random.Generator, height: int, width: int, level: float, rise: float) -> Plane:
    """1 below a rough horizon at a share of the height, with a soft edge of a pixel."""
    line = (level - rise * (cloud(rng, 8, width, scale=5)[4] - 0.5)) * height
    return np.clip(np.arange(height, dtype=np.float32)[:, None] - line[None, :], 0, 1)


def mountains(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Hazy ridges under a clouded sky."""
    picture = over(
        ramp(height, width, (0.25, 0.45, 0.8), (0.85, 0.85, 0.8)), cloud(rng, height, width) ** 3 * 0.7, (1, 1, 1)
    )
    for step in range(4):
        near = step / 3
        rock = (0.55 - 0.4 * near, 0.6 - 0.35 * near, 0.7 - 0.55 * near)
        texture = (0.75 + 0.5 * cloud(rng, height, width, scale=24, roughness=0.7))[..., None]
        picture = over(picture, ridge(rng, height, width, 0.4 + 0.16 * step, 0.3), np.float32(rock) * texture)
    return picture


def sunset(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A low sun over water."""
    picture = ramp(height, width, (0.15, 0.15, 0.4), (1.0, 0.55, 0.2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(x - width * 0.6, y - height * 0.55)
    picture = over(picture, np.exp(-((distance / (height * 0.35)) ** 2)) * 0.8, (1, 0.8, 0.4))
    picture = over(picture, np.clip(height * 0.08 - distance, 0, 1), (1, 0.97, 0.8))
    picture = over(picture, cloud(rng, height, width, scale=3) ** 4 * 0.8, (0.5, 0.2, 0.3))
    sea = np.clip(y - height * 0.65, 0, 1)
    waves = np.sin(y * 0.9 + 9 * cloud(rng, height, width, scale=12))[..., None] * 0.08
    return over(picture, sea, picture[::-1] * 0.6 + waves)


def field(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Grass with flowers under a plain sky."""
    picture = ramp(height, width, (0.45, 0.65, 0.95), (0.9, 0.95, 1.0))
    grass = np.float32((0.25, 0.5, 0.12)) * (0.5 + cloud(rng, height, width, scale=60, roughness=0.8))[..., None]
    ground = ridge(rng, height, width, 0.45, 0.1)
    picture = over(picture, ground, grass)
    flowers = (cloud(rng, height, width, scale=90, roughness=0.9) > 0.8) * ground
    return over(picture, flowers, (0.95, 0.8, 0.2))


def forest(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Trunks in mist."""
    picture = ramp(height, width, (0.75, 0.82, 0.75), (0.35, 0.42, 0.25))
    x = np.arange(width, dtype=np.float32)[None, :]
    for step in range(40):
        near = step / 39
        middle, half = rng.random() * width, (1 + 6 * near) * width / 400
        sway = (cloud(rng, height, 8, scale=2)[:, 3] - 0.5)[:, None] * 8 * near
        trunk = np.clip(half - np.abs(x - middle - sway), 0, 1) * (0.35 + 0.6 * near)
        bark = np.float32((0.4 - 0.25 * near, 0.38 - 0.25 * near, 0.3 - 0.22 * near))
        picture = over(
            picture, trunk, bark * (0.7 + 0.6 * cloud(rng, height, width, scale=40, roughness=0.8))[..., None]
        )
    return over(picture, cloud(rng, height, width, scale=3) * 0.25, (0.9, 0.95, 0.9))


def moon(rng: np.random.Generator, height: int, width: int) -> Plane:
    """A cratered disc."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disc = np.clip(height * 0.4 - np.hypot(x - width / 2, y - height / 2), 0, 1)
    light = np.clip(1.15 - x / width, 0, 1) * (0.4 + 0.6 * cloud(rng, height, width, scale=8, roughness=0.65))
    return disc * light + 0.02 * rng.random((height, width), np.float32)


def leaf(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A leaf with soft transparent edges, (H, W, 4)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    inside = np.clip((0.9 - np.abs(y) - np.abs(x) * (1.6 + y)) * 20, 0, 1)
    vein = np.clip(1 - np.abs(x) * 40, 0, 1) + np.clip(1 - np.abs(np.sin((y + np.abs(x)) * 18)) * 6, 0, 1) * 0.4
    green = np.float32((0.2, 0.5, 0.1)) * (0.7 + 0.6 * cloud(rng, height, width, scale=10))[..., None]
    return np.dstack((over(green, np.clip(vein, 0, 1) * 0.6, (0.75, 0.85, 0.5)), inside))


def eight_bit(picture: np.ndarray) -> np.ndarray:
    """0..1 as uint8."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def srgb_profile() -> bytes:
    """An sRGB profile; LittleCMS stamps the time of day into bytes 24 to 36, which would change each run."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    return bytes(profile)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A PNG chunk with a right check sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def draw_photos(folder: Path) -> None:
    """The good ones, awkward kinds among them."""
    (folder / "trip").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260101)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: rows and columns are stored turned
    for name, picture, options in (
        ("mountains.jpg", mountains(rng, 400, 600), {"quality": 82}),
        ("valley.jpg", mountains(rng, 540, 360), {"quality": 80}),
        ("sunset_progressive.jpg", sunset(rng, 315, 560), {"quality": 88, "progressive": True}),
        ("shore.jpg", sunset(rng, 427, 640), {"quality": 85}),
        ("meadow_turned.jpg", np.rot90(field(rng, 480, 360)), {"quality": 70, "exif": turned}),
        ("meadow_444.jpg", field(rng, 240, 320), {"quality": 80, "subsampling": 0}),
        ("moon_gray.jpg", moon(rng, 400, 400), {"quality": 85}),
        ("trip/forest_icc.jpg", forest(rng, 375, 500), {"quality": 80, "icc_profile": srgb_profile()}),
        (
            "trip/clouds.JPG",
            over(ramp(333, 500, (0.2, 0.4, 0.8), (0.6, 0.75, 0.95)), cloud(rng, 333, 500) ** 2, (1, 1, 1)),
            {},
        ),
    ):
        Image.fromarray(eight_bit(picture)).save(folder / name, "JPEG", **options)
    Image.fromarray(eight_bit(leaf(rng, 160, 120))).save(folder / "leaf_alpha.png")
    Image.fromarray(eight_bit(field(rng, 120, 200))).quantize(64).save(folder / "meadow_palette.png")
    Image.fromarray(eight_bit(ramp(200, 1, (0.9, 0.2, 0.1), (0.1, 0.2, 0.9)))).save(folder / "line_1x200.png")


def draw_mark(path: Path) -> None:
    """A white ring around a sail, with soft edges on nothing: a watermark."""
    y, x = np.mgrid[0:512, 0:512] / 512 - 0.5
    radius = np.hypot(x, y)
    ring = (radius > 0.40) & (radius < 0.47)
    sail = (x > -0.02) & (y < 0.18) & (x < 0.24 * (y + 0.30) / 0.48)
    hull = (y > 0.20) & (y < 0.28) & (abs(x) < 0.24 - (y - 0.20))
    shape = (ring | sail | hull).reshape(128, 4, 128, 4).mean(axis=(1, 3))
    pixels = np.full((128, 128, 4), 255, np.uint8)
    pixels[:, :, 3] = eight_bit(shape)
    Image.fromarray(pixels).save(path)


def draw_broken(folder: Path, photos: Path) -> None:
    """Files that must fail with a reason, and one that is good under a wrong name."""
    folder.mkdir(parents=True, exist_ok=True)
    good = (photos / "meadow_444.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(good[: len(good) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "not_an_image.jpg").write_text("These are the notes of the trip, saved under the name of a picture.\n")
    (folder / "jpeg_named.png").write_bytes(good)
    start = good.index(b"\xff\xc0") + 5  # height and width in the frame header
    (folder / "huge_header.jpg").write_bytes(good[:start] + struct.pack(">HH", 65000, 65000) + good[start + 4 :])
    png = (photos / "leaf_alpha.png").read_bytes()
    (folder / "corrupt.png").write_bytes(png[:-200] + bytes([png[-200] ^ 0x55]) + png[-199:])
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"tEXt", b"Comment\0" + b"-" * 126)
    chunks += png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    (folder / "lying_header.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    draw_photos(folder / "photos")
    draw_mark(folder / "mark.png")
    draw_broken(folder / "broken", folder / "photos")


if __name__ == "__main__":
    main()
