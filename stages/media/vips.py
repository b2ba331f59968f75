"""libvips for codecs: named loaders and savers, straight into and out of the frame's memory, shrunk while it streams.

Imported in a worker when the first file of a format is met. Loaders are named, so that no file is handed to one that
the codec did not choose; each runs on one thread, and no result is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline import DecodeContext, Frame, ItemError, Picture, Pixels, Spec

FORMATS = {"uint8": "uchar", "uint16": "ushort"}
DTYPES = {"uchar": "uint8", "ushort": "uint16"}
MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}  # by bands
INTERPRETATIONS = {
    ("gray", "uint8"): "b-w", ("gray", "uint16"): "grey16", ("rgb", "uint8"): "srgb", ("rgb", "uint16"): "rgb16",
    ("cmyk", "uint8"): "cmyk", ("cmyk", "uint16"): "cmyk",
}  # fmt: skip
SCREEN = 72 / 25.4  # pixels a millimetre where nothing is said
STRIP = 16  # rows that are fetched at a time where it counts how many can be read
Image = Any


@lru_cache(maxsize=1)
def library() -> Any:
    """pyvips, which keeps no results. How many threads it has is set in the environment of the workers."""
    before = os.environ.get("VIPS_WARNING")
    os.environ["VIPS_WARNING"] = "0"  # read when it starts: any value keeps its warnings off stderr
    try:
        import pyvips
    finally:
        if before is None:
            del os.environ["VIPS_WARNING"]

    pyvips._remove_log_handler()  # it would call Python from libvips' threads, for each warning
    pyvips.cache_set_max(0)
    return pyvips


@dataclass(frozen=True)
class Loader:
    """One loader of libvips.

    Attributes:
        format: what people call the format.
        name: of the loader in libvips, of the kind that takes a source.
        harmless: libvips' `fail_on` that lets pass what leaves every pixel of the first picture whole. What fails at
            "warning" and passes at this level is read with a remark; this has been tried out for each format, with
            files that were cut and changed at random.
        options: of the loader.
        salvages: whether it gives the part of a picture that is there.
    """

    format: str
    name: str
    harmless: str = "truncated"
    options: Mapping[str, Any] = field(default_factory=dict)
    salvages: bool = True

    def open(self, data: memoryview, fail_on: str = "none", **options: Any) -> Image:
        """The picture, of which nothing but its header is read yet.

        Raises:
            ItemError: this is no such picture.
        """
        vips = library()
        vips.vips_lib.vips_error_clear()  # warnings of earlier files would stand in the message
        try:
            load = getattr(vips.Image, self.name)
            return load(
                vips.Source.new_from_memory(data), access="sequential", fail_on=fail_on, **self.options, **options
            )
        except vips.Error as error:
            raise ItemError(f"damaged {self.format}: {reason(error)}") from error

    def decode(
        self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext, finish: Callable[[Image], Image],
        *, strict: bool = False, is_whole: Callable[[], bool] = lambda: True, **options: Any,
    ) -> None:  # fmt: skip
        """Decode into `out`, C-contiguous (H, W, C) of `spec`.

        Args:
            finish: what is done to the picture on the way, from what the loader gives to `spec`.
            strict: whether a warning fails it.
            is_whole: asked, where there was a warning and the loader went on, whether no pixel depends on it.

        Raises:
            ItemError: damaged or cut short, and not to be salvaged.
        """
        try:
            self._write(data, out, "warning", finish, options)
        except ItemError as warning:
            if strict:
                raise
            try:
                self._write(data, out, self.harmless, finish, options)
                if not is_whole():
                    raise ItemError(warning.what) from warning
            except ItemError as error:
                if not self.salvages:
                    raise
                if not how.salvage:
                    raise how.lost(error.what) from error
                rows = self.rows(data, finish, self.harmless, options)
                self._write(data, out, "none", finish, options)
                how.remark(f"{error.what}; salvaged: about {rows} of {spec.height} rows were read")
            else:
                how.remark(f"{warning.what}; every pixel was read")

    def _write(
        self, data: memoryview, out: Pixels, fail_on: str, finish: Callable[[Image], Image], options: Mapping[str, Any]
    ) -> None:
        vips = library()
        image = finish(self.open(data, fail_on, **options))
        shape = (image.height, image.width, image.bands)
        if shape != out.shape or FORMATS[out.dtype.name] != image.format:
            raise ItemError(f"damaged {self.format}: decoded to {shape}, its header says {out.shape} (H, W, C)")
        target = vips.Image.new_from_memory(out, image.width, image.height, image.bands, image.format)
        try:
            image.write(target)
        except vips.Error as error:
            raise ItemError(f"damaged {self.format}: {reason(error)}") from error

    def rows(self, data: memoryview, finish: Callable[[Image], Image], fail_on: str, options: Mapping[str, Any]) -> int:
        """How many rows are read before the first damage at this level."""
        vips = library()
        image = finish(self.open(data, fail_on, **options))
        region = vips.Region.new(image)
        for top in range(0, image.height, STRIP):
            try:
                region.fetch(0, top, image.width, min(STRIP, image.height - top))
            except vips.Error:
                return top
        return int(image.height)

    def pictures(self, data: memoryview) -> Iterator[Picture]:
        """The frames of an animation as whole canvases, with their times; read one after the other.

        Raises:
            ItemError: damaged or cut short.
        """
        import numpy as np

        vips = library()
        image = self.open(data, "warning", n=-1)
        height, delays = image.get("page-height"), image.get("delay") if image.get_typeof("delay") else []
        spec = Spec.of(MODELS[image.bands], height, image.width, dtype=DTYPES[image.format])
        region = vips.Region.new(image)
        for number in range(image.height // height):

            def fill(out: Pixels, top: int = number * height) -> None:
                try:
                    rows = region.fetch(0, top, image.width, height)
                except vips.Error as error:
                    raise ItemError(f"damaged {self.format}: {reason(error)}") from error
                out[...] = np.frombuffer(rows, spec.dtype).reshape(spec.shape)

            yield Picture(spec, fill, int(delays[number]) if number < len(delays) else 0)


def reason(error: Exception) -> str:
    """Libvips' own words in one line, without its names for itself and without repetition."""
    detail = str(getattr(error, "detail", error))
    lines = [" ".join(line.split()) for line in detail.splitlines()]
    told = dict.fromkeys(line.partition(": ")[2] or line for line in lines if line)
    return "; ".join(told)[:200] or "it cannot be decoded"


def block(image: Image, name: str) -> bytes:
    """What lies beside the pixels under this name; empty where there is nothing."""
    return bytes(image.get(name)) if image.get_typeof(name) else b""


def shrunk_by(factor: int, *, alpha: bool) -> Callable[[Image], Image]:
    """A `finish` that averages squares of pixels while they stream; alpha gives weight.

    The last row and column are rounded up, with the pixels of the edge repeated: each is read once, so what is beside
    it cannot be counted by itself.
    """
    return lambda image: _shrunk(image, factor, alpha, lambda each: each.shrink(factor, factor, ceil=True))


def averaged(pixels: Pixels, spec: Spec, factor: int, out: Pixels) -> None:
    """Write (H, W, C) pixels, C-contiguous, into `out` of `spec`, which is smaller by this factor.

    The last row and column are averages of the pixels that are there.
    """
    image = image_in(pixels, spec.base_model, b"")
    small = _shrunk(image, factor, spec.has_alpha, lambda each: _down(each, factor))
    small.write(library().Image.new_from_memory(out, small.width, small.height, small.bands, small.format))


def _shrunk(image: Image, factor: int, alpha: bool, shrink: Callable[[Image], Image]) -> Image:  # noqa: FBT001
    if factor == 1:
        return image
    if not alpha:
        return shrink(image)
    return shrink(image.premultiply()).unpremultiply().rint().cast(image.format)


def _down(image: Image, factor: int) -> Image:
    rows, below = divmod(image.height, factor)
    parts = [(0, rows * factor, factor)] * bool(rows) + [(rows * factor, below, below)] * bool(below)
    small = [_across(image.crop(0, top, image.width, height), factor, high) for top, height, high in parts]
    return small[0] if len(small) == 1 else small[0].join(small[1], "vertical")


def _across(image: Image, factor: int, high: int) -> Image:
    columns, beside = divmod(image.width, factor)
    parts = [(0, columns * factor, factor)] * bool(columns) + [(columns * factor, beside, beside)] * bool(beside)
    small = [image.crop(left, 0, width, image.height).shrink(wide, high) for left, width, wide in parts]
    return small[0] if len(small) == 1 else small[0].join(small[1], "horizontal")


def without_ink(image: Image) -> Image:
    """CMYK (the largest sample is full ink) to RGB without a profile: what passes the colour's ink, then the black."""
    kind, white = image.format, 65535 if image.format == "ushort" else 255
    light = (white - image).cast(kind)
    rgb = ((light[:3] * light[3]) / white).rint().cast(kind)
    return rgb.copy(interpretation="rgb16" if kind == "ushort" else "srgb")


def image_of(frame: Frame, icc: bytes) -> Image:
    """The pixels of a frame as a picture to be saved, not copied, with this profile (empty for none)."""
    return image_in(frame.pixels, frame.spec.base_model, icc)


def image_in(pixels: Pixels, model: str, icc: bytes) -> Image:
    """(H, W, C) of a colour model without regard to alpha, C-contiguous, as a picture; not copied."""
    vips = library()
    height, width, channels = pixels.shape
    image = vips.Image.new_from_memory(pixels, width, height, channels, FORMATS[pixels.dtype.name])
    image = image.copy(interpretation=INTERPRETATIONS[model, pixels.dtype.name], xres=SCREEN, yres=SCREEN)
    if icc:
        image.set_type(vips.GValue.blob_type, "icc-profile-data", icc)
    return image


def array_of(image: Image) -> Pixels:
    """A new array (H, W, C) of a picture."""
    import numpy as np

    return np.ndarray((image.height, image.width, image.bands), DTYPES[image.format], image.write_to_memory())
