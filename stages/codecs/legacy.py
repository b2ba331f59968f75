"""Formats of old and of special software, through Pillow: PCX, TGA, PSD, ICO, DDS and others. Nothing is written."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline import STRICT, Codec, DecodeContext, Header, Health, ItemError, Metadata, Picture, Pixels, Size, Spec
from stages.media import exif, icc, pillow_frames, signatures
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# What a file is called, by its first bytes: Pillow's module and class.
FORMATS = {
    "PCX": ("PcxImagePlugin", "PcxImageFile"), "TGA": ("TgaImagePlugin", "TgaImageFile"),
    "SGI": ("SgiImagePlugin", "SgiImageFile"), "ICO": ("IcoImagePlugin", "IcoImageFile"),
    "PSD": ("PsdImagePlugin", "PsdImageFile"), "QOI": ("QoiImagePlugin", "QoiImageFile"),
    "DDS": ("DdsImagePlugin", "DdsImageFile"), "BLP": ("BlpImagePlugin", "BlpImageFile"),
    "ICNS": ("IcnsImagePlugin", "IcnsImageFile"), "CUR": ("CurImagePlugin", "CurImageFile"),
    "DCX": ("DcxImagePlugin", "DcxImageFile"), "FLI": ("FliImagePlugin", "FliImageFile"),
    "FTEX": ("FtexImagePlugin", "FtexImageFile"), "GBR": ("GbrImagePlugin", "GbrImageFile"),
    "MSP": ("MspImagePlugin", "MspImageFile"),
    "PIXAR": ("PixarImagePlugin", "PixarImageFile"), "SUN": ("SunImagePlugin", "SunImageFile"),
    "XBM": ("XbmImagePlugin", "XbmImageFile"), "XPM": ("XpmImagePlugin", "XpmImageFile"),
    "XVTHUMB": ("XVThumbImagePlugin", "XVThumbImageFile"), "DIB": ("BmpImagePlugin", "DibImageFile"),
}  # fmt: skip
MODES = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA", "RGBX": "RGB"}
MODELS = {"L": "gray", "LA": "gray_alpha", "RGB": "rgb", "RGBA": "rgba"}
ANIMATED = "is an animation: only the first frame was read; the reader `video` reads all of them"
WEIGHED = {"LA": "La", "RGBA": "RGBa"}


@dataclass(frozen=True)
class Legacy(Codec):
    """PCX, DCX, TGA, SGI, Sun raster, PSD (as it was saved, flattened), QOI, DDS, BLP, FTEX, XBM, XPM, MSP, PIXAR.

    ICO, CUR and ICNS give their largest picture, FLI and FLC the first frame; GIMP brushes and bitmaps without a file
    header are read too; all have 8 bits a sample.

    Decodes to gray or rgb, with or without alpha (H, W, C), uint8; palettes become rgb, or rgba where a colour of them
    is transparent.
    """

    models: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def health(cls) -> Health:
        """Whether its library is there."""
        for name in FORMATS:
            _plugin(name)
        return Health("reads .pcx .tga .sgi .ico .psd .qoi .dds .icns .cur .ras .fli .xbm .xpm and others")

    def matches(self, head: bytes) -> bool:
        return bool(signatures.legacy(head))

    def header(self, data: memoryview) -> Header:
        """Read what Pillow reads to open the file; decodes no pixel but those of icons.

        Raises:
            ItemError: cut short, damaged, or of a colour model that is not read.
        """
        with _opened(data) as image:
            mode, (width, height) = _mode(image), image.size
            frames = getattr(image, "n_frames", 1)
            moves = image.format == "FLI" and frames > 1  # of which Pillow reads no palette but the first
            pages = frames if image.format == "DCX" else 1
            block, profile = image.info.get("exif", b""), image.info.get("icc_profile", b"")
        spec = Spec.of(MODELS[mode], height, width, orientation=exif.orientation(block) if block else 1)
        beside = Metadata(icc.trimmed(profile), block.removeprefix(exif.EXIF))
        return Header(spec, beside, pages, (ANIMATED,) if moves else ())

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged after they were decoded."""
        return by_halves(spec, need)

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The pages of DCX, each of its own size."""
        if header.frames == 1:
            yield from super().pictures(data, header, how)
            return
        with _opened(data) as image:
            for number in range(header.frames):
                image.seek(number)
                spec = Spec.of(MODELS[_mode(image)], image.height, image.width)
                yield from pillow_frames.pictures(image, spec, range(number, number + 1), _damaged)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, C) uint8 of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        with _opened(data) as image:
            image.load()
            mode = next(name for name, model in MODELS.items() if model == spec.model)
            picture = image if image.mode == mode else image.convert(mode)
            factor = factor_of(spec)
            if factor > 1:
                picture = picture.convert(WEIGHED.get(mode, mode)).reduce(factor).convert(mode)
            pixels = np.asarray(picture)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != out.shape:
            raise ItemError(f"damaged: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        out[...] = pixels


def _plugin(name: str) -> type[ImageFile]:
    module, kind = FORMATS[name]
    found: type[ImageFile] = getattr(importlib.import_module(f"PIL.{module}"), kind)
    return found


def _mode(image: ImageFile) -> str:
    """What the picture is decoded to; raises ItemError for what is not read."""
    if image.mode == "P" and "transparency" in image.info:
        return "RGBA"
    if image.mode not in MODES or not all(image.size):
        size = f"{image.width}x{image.height}"
        raise ItemError(f"is a picture of {size} pixels in mode {image.mode}", limit="gray, RGB and palettes are read")
    return MODES[image.mode]


@contextlib.contextmanager
def _opened(data: memoryview) -> Iterator[ImageFile]:
    """Pillow's picture of a file, by the class of its format alone; what goes wrong with it is ItemError."""
    name = signatures.legacy(bytes(data[:32]))
    try:
        with _plugin(name)(io.BytesIO(data)) as image:
            yield image
    except ItemError:
        raise
    except Exception as error:  # Pillow raises what its decoders make of a file
        raise _damaged(error, name) from error


def _damaged(error: Exception, name: str = "picture") -> ItemError:
    return ItemError(f"damaged {name}: {' '.join(str(error).split()) or type(error).__name__}")
