"""Pictures for tests: pixels that are known, files of Pillow's, and what a stage or a codec makes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import NO_METADATA, Codec, Frame, Item, Metadata, Spec, Transform

Pixels = np.ndarray[Any, Any]
MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}
WHITE: dict[str, float] = {"uint8": 255, "uint16": 65535, "float32": 1}
DTYPES = tuple(WHITE)
CANARY, OTHER_CANARY = 0xAA, 0x55  # what memory holds before a stage or a codec writes to it
GUARD = 128  # bytes on each side of an array that are watched


# ---- pixels, (H, W, C) ---------------------------------------------------------------------------------------------


def noise(height: int, width: int, channels: int = 3, dtype: str = "uint8", seed: int = 0) -> Pixels:
    """Every level of a dtype; floats lie between 0 and 1."""
    rng = np.random.default_rng(seed)
    shape = (height, width, channels)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def plain(height: int, width: int, *pixel: float, dtype: str = "uint8") -> Pixels:
    """One pixel everywhere."""
    return np.full((height, width, len(pixel)), pixel, dtype)


def smooth(height: int = 64, width: int = 96, channels: int = 3) -> Pixels:
    """Waves in uint8 that lossy formats keep well."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [x / 9, y / 7, (x + y) / 11, (x - y) / 13]
    return np.rint(127 + 100 * np.sin(np.dstack(waves[:channels]))).astype(np.uint8)


def waves(spec: Spec, seed: int = 0) -> Pixels:
    """Smooth, read-only pixels of any Spec, planes of YUV too."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : spec.height, 0 : spec.width]
    sines = [np.sin(y / rng.uniform(5, 9) + x / rng.uniform(5, 9) + rng.uniform(0, 6)) for _ in range(spec.channels)]
    share = 0.5 + 0.45 * np.dstack(sines)
    pixels = share if spec.dtype == "float32" else np.rint(share * np.iinfo(spec.dtype).max)
    pixels = np.ascontiguousarray(pixels.astype(spec.dtype))
    if spec.is_yuv:  # luma, and the first samples of the other waves as chroma
        chroma = spec.chroma.height * spec.chroma.width
        pixels = np.concatenate([pixels[..., 0].ravel(), *(pixels[..., n].ravel()[:chroma] for n in (1, 2))])
    pixels.flags.writeable = False
    return pixels


# ---- stages --------------------------------------------------------------------------------------------------------


def spec_of(pixels: Pixels, **more: Any) -> Spec:
    """What (H, W, C) pixels are: gray, rgb, with or without alpha, unless `more` says otherwise."""
    height, width, channels = pixels.shape
    return Spec(height, width, channels, **{"dtype": pixels.dtype.name, "model": MODELS[channels], **more})


def frame_of(pixels: Pixels, spec: Spec | None = None, metadata: Metadata = NO_METADATA) -> Frame:
    """A frame around pixels, which become read-only."""
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return Frame(Item(0, "a/b.jpg", "a", "b.jpg"), 0, spec or spec_of(pixels), pixels, metadata)


def processed(stage: Transform, pixels: Any, dtype: str = "", *, fill: int = CANARY) -> Pixels:
    """What a stage makes of (H, W, C), of a row of pixels or of one pixel, in memory that held `fill` before.

    dtype: that of the pixels; without one an array's own, and of a list uint8.
    """
    own = pixels.dtype.name if isinstance(pixels, np.ndarray) else "uint8"
    pixels = np.atleast_2d(np.asarray(pixels, dtype or own))
    frame = frame_of((pixels if pixels.ndim == 3 else pixels[np.newaxis]).view())
    target = stage.output_spec(frame.spec)
    out = np.full(target.nbytes, fill, np.uint8).view(target.dtype).reshape(target.shape)
    stage.process(frame, out)
    return out


def one(stage: Transform, pixel: Any, dtype: str = "") -> list[Any]:
    """The pixel that a stage makes of a pixel."""
    return list(processed(stage, pixel, dtype)[0, 0].tolist())


def guarded(spec: Spec, canary: int = CANARY) -> tuple[Pixels, Pixels]:
    """An array of a Spec within a larger buffer of canaries, and that buffer."""
    buffer = np.full(spec.nbytes + 2 * GUARD, canary, np.uint8)
    return buffer[GUARD : GUARD + spec.nbytes].view(spec.dtype).reshape(spec.shape), buffer


def intact(buffer: Pixels, canary: int = CANARY) -> bool:
    """Whether nothing was written beside the array of `guarded`."""
    return bool((buffer[:GUARD] == canary).all() and (buffer[-GUARD:] == canary).all())


# ---- files ---------------------------------------------------------------------------------------------------------


def grain(channels: int, dtype: str = "uint8", seed: int = 0) -> Pixels:
    """Noise of 33x45 as Pillow and OpenCV hold it: (H, W) where there is one channel."""
    pixels = noise(33, 45, channels, dtype, seed)
    return pixels[:, :, 0] if channels == 1 else pixels


def saved(picture: Pixels | Image.Image, kind: str, **more: Any) -> bytes:
    """A file of Pillow's."""
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, kind, **more)
    return file.getvalue()


def shown(data: bytes, mode: str) -> Pixels:
    """What Pillow makes of a file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


def encoded(codec: Codec, pixels: Pixels, icc: bytes = b"") -> bytes:
    """What a codec makes of (H, W) or (H, W, C) pixels."""
    return bytes(codec.encode(frame_of(np.atleast_3d(pixels), metadata=Metadata(icc=icc))))


def decoded(codec: Codec, data: bytes) -> tuple[Spec, Pixels]:
    """Spec and pixels of a file, (H, W) where there is one channel."""
    spec = codec.header(memoryview(data)).spec
    out = np.full(spec.nbytes, CANARY, np.uint8).view(spec.dtype).reshape(spec.shape)
    codec.decode(memoryview(data), spec, out)
    return spec, out[:, :, 0] if spec.channels == 1 else out


def ramp(path: Path, width: int = 24, height: int = 16) -> Path:
    """A small picture in a file, in the format of its extension; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = (np.arange(width * height * 3) * 7 % 256).astype(np.uint8)
    Image.fromarray(levels.reshape(height, width, 3)).save(path)
    return path
