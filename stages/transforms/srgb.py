"""Converts pictures with an ICC profile to sRGB, through LittleCMS: 8 bits in Pillow, 16 bits in libvips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform

DTYPES = ("uint8", "uint16")
MODES = {"gray": "L", "rgb": "RGB", "cmyk": "CMYK"}  # Pillow's names of the profile's side
INTENTS = {"perceptual": 0, "relative": 1, "saturation": 2, "absolute": 3}  # ICC.1:2022, 7.2.15
NOTHING = 1  # a difference of this number of levels is rounding: the profile is that of sRGB


@dataclass(frozen=True)
class Srgb(Transform):
    """Applies the ICC profile of frames whose Spec has primaries "icc"; all others pass untouched.

    Takes uint8 and uint16 (H, W, C); gray stays gray, cmyk becomes rgb, alpha is copied. Floats keep their profile, and
    encoders of such pictures write it. The plan puts this stage in
    by itself where the writer asks for `icc: srgb`: behind the stages that only move pixels, so that few are
    converted (0.3 ms for 256x192), and before those that have colours of their own. A profile that LittleCMS refuses
    is left out with a remark, and the picture is taken as sRGB.
    """

    intent: Literal["perceptual", "relative", "saturation", "absolute"] = field(
        default="perceptual", metadata={"doc": "rendering intent; matters for profiles with tables, as those of CMYK"}
    )
    only_cmyk: bool = field(
        default=False, metadata={"doc": "convert CMYK only, which few formats can hold, and leave the rest"}
    )

    pixels_version: ClassVar[int] = 2
    identity_when_equal: ClassVar[bool] = True
    planes: ClassVar[bool] = True
    keeps_extent: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"intent": "relative"}

    def output_spec(self, spec: Spec) -> Spec:
        """The same with primaries "srgb"; cmyk becomes rgb. Raises SpecError for CMYK of floats."""
        if spec.model == "cmyk":
            return replace(spec.require(dtype=DTYPES).in_model("rgb"), primaries="srgb")
        taken = spec.base_model in ("gray", "rgb") and spec.dtype in DTYPES
        if self.only_cmyk or spec.primaries != "icc" or not taken:
            return spec
        return replace(spec, primaries="srgb")

    def required_input(self, spec: Spec, need: Size) -> Size:
        """No more than what is wanted: each pixel is converted by itself."""
        return need

    def open(self) -> None:
        from PIL import ImageCms  # noqa: F401 - loaded before the first frame, not within it

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the picture in sRGB into `out`."""
        spec, pixels = frame.spec, frame.pixels
        convert = self._converter(frame.metadata.icc, spec.base_model, spec.dtype)
        if convert is None:
            frame.remark("its ICC profile cannot be applied; its colours were taken as sRGB")
            out[...] = _without_profile(pixels) if spec.model == "cmyk" else pixels
        elif spec.has_alpha:
            out[..., :-1] = convert(np.ascontiguousarray(pixels[..., :-1]))
            out[..., -1] = pixels[..., -1]
        else:
            out[...] = convert(pixels)

    @cached_property
    def _converter(self) -> Callable[[bytes, str, str], Callable[[Pixels], Pixels] | None]:
        return lru_cache(maxsize=32)(self._new_converter)

    def _new_converter(self, icc: bytes, model: str, dtype: str) -> Callable[[Pixels], Pixels] | None:
        """From (H, W, C) of `model` to sRGB; None where the profile is refused."""
        shallow = self._shallow(icc, MODES[model])
        if shallow is None or dtype == "uint8":
            return shallow
        if shallow is _as_it_is:
            return shallow
        return partial(_deep, icc=icc, model=model, intent=self.intent)

    def _shallow(self, icc: bytes, mode: str) -> Callable[[Pixels], Pixels] | None:
        import io

        from PIL import Image, ImageCms

        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), mode, "RGB",
                renderingIntent=ImageCms.Intent(INTENTS[self.intent]),
            )  # fmt: skip
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return None

        def convert(pixels: Pixels) -> Pixels:
            source = Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode if mode == "CMYK" else None)
            result = np.asarray(transform.apply(source))
            return result[..., :1] if mode == "L" else result

        samples = _samples(len(mode) if mode != "L" else 1)
        if mode != "CMYK" and np.abs(convert(samples).astype(int) - samples).max() <= NOTHING:
            return _as_it_is
        return convert


def _deep(pixels: Pixels, *, icc: bytes, model: str, intent: str) -> Pixels:
    """(H, W, C) uint16 to sRGB of as many channels, three for cmyk."""
    from stages.media import vips

    image = vips.image_in(pixels, model, icc)
    result = vips.array_of(image.icc_transform("srgb", embedded=True, intent=intent, depth=16))
    return result[..., :1] if model == "gray" else result


def _samples(channels: int) -> Pixels:
    """(N, 1, C) uint8: all combinations of levels 0, 15 ... 255 of each channel."""
    axes = np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * channels, indexing="ij")
    return np.ascontiguousarray(np.stack(axes, -1).reshape(-1, 1, channels))


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _without_profile(pixels: Pixels) -> Pixels:
    """CMYK (H, W, 4), the largest sample full ink, to RGB: what passes the ink of the colour and then the black."""
    white = int(np.iinfo(pixels.dtype).max)
    light = white - pixels[..., :3].astype(np.uint64)
    return ((light * (white - pixels[..., 3:].astype(np.uint64)) + white // 2) // white).astype(pixels.dtype)
