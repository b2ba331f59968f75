"""Writes all frames of an item as one file: an animated GIF or WebP, or the pages of a TIFF (libvips)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Item, ItemError, Pixels, Spec, Template, UsageError, WriteContext, Writer
from stages.media import vips

FORMATS = {"gif": "GIF", "webp": "WebP", "tif": "TIFF", "tiff": "TIFF"}
MOST_A_SIDE = {"GIF": 65535, "WebP": 16383, "TIFF": 1 << 31}
USUAL_MS = 100  # how long a frame is shown that says nothing of it


@dataclass(frozen=True)
class Animation(Writer):
    """One file for each item: GIF and WebP with the times of its frames and how often they are shown, TIFF with pages.

    Takes the frames of a reader with `frames: all`, of `sequence` or of `video`, all of one Spec: uint8 of gray, rgb,
    with or without alpha, for TIFF uint16 too. GIF keeps 256 colours a frame and alpha on or off, and times in
    hundredths of a second. The frames of an item wait in memory until the last has come.
    """

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "path of the outputs; {dir} {stem} {ext} {name} are filled in, the extension names the format:"
            " .gif, .webp, .tif",
        }
    )
    quality: int = field(default=80, metadata={"ge": 1, "le": 100, "doc": "of WebP, in libwebp's scale"})
    lossless: bool = field(default=False, metadata={"doc": "of WebP: every pixel exact"})
    dither: bool = field(default=False, metadata={"doc": "of GIF: spread the error of rounding to 256 colours"})
    plays: Literal["keep"] | int = field(
        default="keep",
        metadata={"ge": 0, "doc": "how often it is shown, 0 for ever; keep takes what the source says, else for ever"},
    )
    memory: int = field(
        default=1024, metadata={"ge": 1, "pixels": False, "doc": "the most MiB that the frames of one item may take"}
    )

    ordered: ClassVar[bool] = True
    joins: ClassVar[bool] = True
    icc: ClassVar[str] = "srgb"  # GIF has no place for a profile
    example: ClassVar[Mapping[str, Any]] = {"path": "out/{dir}/{stem}.webp", "quality": 75}

    def __post_init__(self) -> None:
        template = Template(self.path)
        if not template.known_at_intake:
            raise UsageError("path of an animation depends on a single frame", limit="{dir} {stem} {ext} {name} do not")
        if template.format not in FORMATS:
            named = f"ends in .{template.format}" if template.format else "names no format"
            raise UsageError(f"path {named}", limit="animations are .gif, .webp and .tif")

    @property
    def _format(self) -> str:
        return FORMATS[self.destination().format]

    def destination(self) -> Template:
        """The template of `path`."""
        return Template(self.path)

    def open(self) -> None:
        vips.library()

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Keep one frame; 0, for the bytes are counted by `finish`. Raises ItemError for what the format does not take.

        Raises:
            SpecError: another dtype or colour model.
        """
        under_way, spec = self._frames, frame.spec
        if under_way and (under_way[0].item.number != frame.item.number or len(under_way) > frame.index):
            under_way.clear()  # the item before this one failed, or this one is tried again
        spec.require(
            dtype=("uint8", "uint16") if self._format == "TIFF" else "uint8",
            model=("gray", "rgb", "gray_alpha", "rgba"),
        )  # fmt: skip
        if max(spec.size) > MOST_A_SIDE[self._format]:
            limit = f"{self._format} holds {MOST_A_SIDE[self._format]} a side"
            raise ItemError(f"{spec.width}x{spec.height} pixels", limit=limit, remedy="resize")
        if (len(under_way) + 1) * spec.nbytes > self.memory << 20:
            raise ItemError(
                f"its first {len(under_way)} frames of {spec.width}x{spec.height} fill the memory of an animation",
                limit=f"`memory` of this writer is {self.memory} MiB", remedy="resize, raise it, or write a video",
            )  # fmt: skip
        under_way.append(_Kept(frame.item, spec, frame.pixels.copy(), _shown_ms(frame), frame.plays))
        return 0

    def finish(self, item: Item, context: WriteContext) -> int:
        """Encode and save the file; its size in bytes. Raises what `context.save` raises."""
        frames = list(self._frames)
        self._frames.clear()
        if not frames:
            raise ItemError("no frame is left to write")
        return context.save(self._encoded(frames))

    def close(self) -> None:
        """Drop what is half written."""
        self._frames.clear()

    def _encoded(self, frames: list[_Kept]) -> bytes:
        library, spec = vips.library(), frames[0].spec
        pixels = [each.pixels for each in frames]
        if self._format == "WebP" and spec.channels < 3:  # it has no gray
            pixels = [each[:, :, [0, 0, 0, 1][: spec.channels + 2]] for each in pixels]
        model = "rgb" if pixels[0].shape[2] > 2 else "gray"
        images = [vips.image_in(np.ascontiguousarray(each), model, b"") for each in pixels]
        joined = library.Image.arrayjoin(images, across=1).copy()
        told = library.GValue
        joined.set_type(told.gint_type, "page-height", spec.height)
        if self._format == "TIFF":
            saved: bytes = joined.tiffsave_buffer(compression="deflate", predictor="horizontal", keep="none")
            return saved
        joined.set_type(told.array_int_type, "delay", [each.shown_ms for each in frames])
        plays = self.plays if isinstance(self.plays, int) else next(iter(_told(frames)), 0)
        joined.set_type(told.gint_type, "loop", plays)
        if self._format == "GIF":
            saved = joined.gifsave_buffer(dither=float(self.dither), keep_duplicate_frames=True, keep="none")
        else:
            saved = joined.webpsave_buffer(Q=self.quality, lossless=self.lossless, exact=self.lossless, keep="none")
        return saved

    @cached_property
    def _frames(self) -> list[_Kept]:
        """Those of the item under way."""
        return []


@dataclass(frozen=True, slots=True)
class _Kept:
    """A frame that waits for the others."""

    item: Item
    spec: Spec
    pixels: Pixels
    shown_ms: int
    plays: int | None


def _told(frames: list[_Kept]) -> list[int]:
    return [each.plays for each in frames if each.plays is not None]


def _shown_ms(frame: Frame) -> int:
    numerator, denominator = frame.time_base
    return round(1000 * frame.duration * numerator / denominator) or USUAL_MS
