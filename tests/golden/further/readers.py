"""What other programs show of a file: (H, W, 4) uint8, neither turned nor converted."""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps

Array = np.ndarray[Any, Any]


def in_rgba(pixels: Array) -> Array:
    """Gray, gray with alpha, RGB or RGBA of 8 or 16 bits."""
    values = pixels.astype(np.float64) / (257 if pixels.dtype == np.uint16 else 1)
    values = np.rint(values).astype(np.uint8)
    values = values[..., None] if values.ndim == 2 else values
    colour = values[..., [0, 0, 0]] if values.shape[2] < 3 else values[..., :3]
    alpha = values[..., -1:] if values.shape[2] in (2, 4) else np.full((*values.shape[:2], 1), 255, np.uint8)
    return np.concatenate([colour, alpha], -1)


def _file(data: bytes, name: str, folder: str) -> Path:
    path = Path(folder) / name
    path.write_bytes(data)
    return path


def ffmpeg(data: bytes, name: str) -> Array:
    """FFmpeg's own decoders, by their file extension."""
    with tempfile.TemporaryDirectory() as folder, av.open(str(_file(data, name, folder))) as film:
        frame = next(film.decode(video=0))
        wide = "16" in frame.format.name or frame.format.components[0].bits > 8
        return in_rgba(frame.to_ndarray(format="rgba64le" if wide else "rgba"))


def imagemagick(data: bytes, name: str) -> Array:
    """Version 6 of Debian 12, on Debian's codecs."""
    with tempfile.TemporaryDirectory() as folder:
        path = _file(data, name, folder)
        command = ["/usr/bin/convert", f"{path}[0]", "+profile", "*", "-depth", "8", f"PNG32:{folder}/out.png"]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(f"{folder}/out.png") as image:
            return np.asarray(image.convert("RGBA"))


def java(data: bytes, name: str) -> Array:
    """ImageIO: PNG, GIF, BMP and TIFF in Java, JPEG by IJG 6b."""
    with tempfile.TemporaryDirectory() as folder:
        path = _file(data, name, folder)
        program = Path(__file__).with_name("Show.java")
        subprocess.run(["java", str(program), str(path), f"{folder}/out.png"], check=True, capture_output=True)
        with Image.open(f"{folder}/out.png") as image:
            return np.asarray(image.convert("RGBA"))


def pillow(data: bytes, name: str) -> Array:
    """The first picture."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I;16"):
            return in_rgba(np.asarray(image).astype(np.uint16))
        return np.asarray(image.convert("RGBA"))


def opencv(data: bytes, name: str) -> Array:
    """As it lies in the file."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot open it")
    return in_rgba(pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def upright_by_pillow(data: bytes, name: str) -> Array:
    """The first picture, turned as the file says."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))


def as_written(pixels: Array) -> Any:
    """Not a decoder: the samples that the file was made of, as its specification reads them."""

    def written(data: bytes, name: str) -> Array:
        return in_rgba(pixels)

    return written


def by_program(command: list[str], suffix: str) -> Any:
    """A reader that is a program: `{}` and `{out}` in its command are the file and the PNG that it writes."""

    def reader(data: bytes, name: str) -> Array:
        with tempfile.TemporaryDirectory() as folder:
            path = _file(data, name, folder)
            filled = [part.format(path, out=f"{folder}/out{suffix}") for part in command]
            subprocess.run(filled, check=True, capture_output=True)
            return ffmpeg(Path(f"{folder}/out{suffix}").read_bytes(), f"out{suffix}")

    reader.__name__ = command[0]
    return reader


djxl = by_program(["djxl", "{}", "{out}"], ".png")
heif_convert = by_program(["heif-convert", "{}", "{out}"], ".png")
avifdec = by_program(["avifdec", "{}", "{out}"], ".png")


def in_srgb(profile: bytes, mode: str = "RGB") -> Any:
    """Pillow's pixels through Little CMS, relative colorimetric with black point compensation."""

    def lcms(data: bytes, name: str) -> Array:
        with Image.open(io.BytesIO(data)) as image:
            source = image if image.mode == mode else image.convert(mode)
            converted = ImageCms.profileToProfile(
                source, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB", flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )  # fmt: skip
            return np.asarray(converted.convert("RGBA"))

    return lcms


def magick_in_srgb(profile: bytes, srgb: bytes) -> Any:
    """ImageMagick's pixels through the two profiles."""

    def imagemagick_profile(data: bytes, name: str) -> Array:
        with tempfile.TemporaryDirectory() as folder:
            path = _file(data, name, folder)
            one, two = _file(profile, "one.icc", folder), _file(srgb, "two.icc", folder)
            subprocess.run(
                ["/usr/bin/convert", f"{path}[0]", "+profile", "*", "-intent", "relative", "-black-point-compensation",
                 "-profile", str(one), "-profile", str(two), "-depth", "8", f"PNG32:{folder}/out.png"],
                check=True, capture_output=True,
            )  # fmt: skip
            with Image.open(f"{folder}/out.png") as image:
                return np.asarray(image.convert("RGBA"))

    return imagemagick_profile


def turned(reader: Any, orientation: int) -> Any:
    """What a reader shows, upright."""

    def upright(data: bytes, name: str) -> Array:
        pixels = reader(data, name)
        pixels = pixels.swapaxes(0, 1) if orientation > 4 else pixels
        pixels = pixels[::-1] if orientation in (3, 4, 7, 8) else pixels
        return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels

    upright.__name__ = f"{reader.__name__}, turned"
    return upright
