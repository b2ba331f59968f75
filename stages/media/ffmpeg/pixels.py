"""FFmpeg's frames to arrays of a Spec, and back; planes are copied row by row, once."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from pipeline.contracts.contexts import Fill
from pipeline.contracts.spec import Pixels, Spec
from stages.media.ffmpeg.library import load_ffmpeg
from stages.media.ffmpeg.tags import Tags, colour, sar_of, tags_of


class SampleLayout(NamedTuple):
    """How the samples of an FFmpeg pixel format lie, where it is one that frames travel in as it is.

    Attributes:
        model: the colour model of the Spec.
        bits: significant bits of a sample; above 8 it is a little-endian uint16.
    """

    model: str
    bits: int


# Formats whose planes are copied as they are. All others are first turned into one of these without loss.
LAYOUTS = {
    f"yuv{digits}p{suffix}": SampleLayout(f"yuv{digits}", bits)
    for digits in ("420", "422", "444")
    for suffix, bits in (("", 8), ("10le", 10), ("12le", 12), ("14le", 14), ("16le", 16))
} | {
    **{f"yuvj{digits}p": SampleLayout(f"yuv{digits}", 8) for digits in ("420", "422", "444")},
    "gray": SampleLayout("gray", 8), "gray10le": SampleLayout("gray", 10), "gray12le": SampleLayout("gray", 12),
    "gray16le": SampleLayout("gray", 16), "rgb24": SampleLayout("rgb", 8), "rgb48le": SampleLayout("rgb", 16),
    "rgba": SampleLayout("rgba", 8), "rgba64le": SampleLayout("rgba", 16),
}  # fmt: skip
FORMATS = {layout: name for name, layout in LAYOUTS.items() if not name.startswith("yuvj")}


# The signs of a, b, c, d of the display matrix, for each EXIF orientation.
TURNS = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1), 5: (0, 1, 1, 0), 6: (0, 1, -1, 0),
    7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip


class Importer:
    """How FFmpeg's frames of one format become arrays of a Spec.

    Args:
        frame: the first of them.
        stream: what it was decoded from; names the aspect of a sample.
        upright: whether the Spec carries the frame's orientation.

    Attributes:
        spec, layout: of the arrays.
        turn: the orientation that the Spec does not carry; 1 where it does.
        loses_alpha: the format has transparency and the layout has none.
    """

    def __init__(self, frame: Any, stream: Any, *, upright: bool) -> None:
        self._key = _key(frame)
        name = frame.format.name
        layout = LAYOUTS.get(name) or nearest(frame.format)
        self._target = "" if name in LAYOUTS else FORMATS[layout]
        alpha = any(part.is_alpha for part in frame.format.components)
        self.loses_alpha = alpha and layout.model != "rgba"
        self._reformatter = load_ffmpeg("video").video.reformatter.VideoReformatter() if self._target else None
        turn = orientation(frame)
        self.turn = 1 if upright else turn
        self.spec = replace(spec_of(frame, stream), orientation=turn if upright else 1)
        self.layout = SampleLayout(self.spec.model, layout.bits)
        self._shift = 16 - self.layout.bits if self.layout.bits > 8 else 0

    def fits(self, frame: Any) -> bool:
        """Whether a frame is of the same format, size and colours."""
        return self._key == _key(frame)

    def fill(self, frame: Any) -> Fill:
        """What writes the frame into an array of `spec`; it holds the frame until then."""

        def fill(out: Pixels) -> None:
            source = frame
            if self._reformatter is not None:  # one context for all frames: FFmpeg keeps 15 MB for each
                source = self._reformatter.reformat(frame, format=self._target, threads=1)
            targets = self.spec.planes(out) if self.spec.is_yuv else (out.reshape(self.spec.height, -1),)
            for missing in targets[len(source.planes) :]:  # of gray that is luma of limited range
                missing[...] = 128 << (8 * (missing.itemsize - 1))
            for plane, target in zip(source.planes, targets, strict=False):
                rows = _rows(plane, target)
                if self._shift:
                    np.left_shift(rows, self._shift, out=target)
                else:
                    target[...] = rows

        return fill


def spec_of(picture: Any, stream: Any) -> Spec:
    """The Spec of a frame, or of what a codec context says of the frames to come; its orientation is left at 1."""
    name = picture.format.name
    layout = LAYOUTS.get(name) or nearest(picture.format)
    if layout.model == "gray" and int(picture.color_range) == 1:
        layout = layout._replace(model="yuv420")  # gray pictures are full range here; this is luma without chroma
    tags = Tags(int(picture.colorspace), int(picture.color_primaries), int(picture.color_trc), int(picture.color_range))
    if name.startswith("yuvj"):
        tags = tags._replace(range=2)
    sar = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Spec.of(
        layout.model, picture.height, picture.width, dtype="uint8" if layout.bits == 8 else "uint16", sar=sar_of(sar),
        **colour(tags, picture.height, yuv=layout.model.startswith("yuv")),
    )  # fmt: skip


def video_frame(pixels: Pixels, spec: Spec, bits: int) -> Any:
    """FFmpeg's frame of YUV or gray pixels with `bits` bits a sample, tagged as the Spec says.

    Of 8-bit 4:2:0 in whole rows it is a view of `pixels`: valid as long as these are. All others are copies; deep
    samples are rounded half up to `bits`.
    """
    av = load_ffmpeg("video")
    name = FORMATS[SampleLayout(spec.model, bits)]
    if name == "yuv420p" and spec.height % 2 == 0 and spec.width % 2 == 0:
        frame = av.VideoFrame.from_numpy_buffer(pixels.reshape(spec.height * 3 // 2, spec.width), format=name)
    else:
        frame = av.VideoFrame(spec.width, spec.height, name)
        planes = spec.planes(pixels) if spec.is_yuv else (pixels.reshape(spec.size),)
        for source, plane in zip(planes, frame.planes, strict=True):
            target = _rows(plane, source)
            if bits in (8, 16):
                target[...] = source
            else:
                half = 1 << (15 - bits)
                np.minimum(
                    (source.astype(np.uint32) + half) >> (16 - bits), (1 << bits) - 1, out=target, casting="unsafe"
                )
    tags = tags_of(spec)
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = tags
    return frame


def _rows(plane: Any, like: Pixels) -> Pixels:
    """The samples of FFmpeg's plane as a view; its rows are padded."""
    return np.frombuffer(plane, like.dtype).reshape(like.shape[0], -1)[:, : like.shape[1]]


def _key(frame: Any) -> tuple[Any, ...]:
    return frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range


def nearest(form: Any) -> SampleLayout:
    """The layout that holds every sample of a pixel format: same bits or more, chroma as fine or finer."""
    deep = max((part.bits for part in form.components), default=8)
    bits = next((known for known in (8, 10, 12, 14, 16) if known >= deep), 16)
    if form.has_palette or form.is_rgb:
        alpha = form.has_palette or any(part.is_alpha for part in form.components)
        return SampleLayout("rgba" if alpha else "rgb", 8 if bits == 8 else 16)
    if len([part for part in form.components if not part.is_alpha]) == 1:
        return SampleLayout("gray", bits if bits != 14 else 16)
    across, down = 64 // form.chroma_width(64), 64 // form.chroma_height(64)
    digits = {(2, 2): "420", (2, 1): "422"}.get((across, down), "444")
    return SampleLayout(f"yuv{digits}", bits)


def orientation(frame: Any) -> int:
    """The EXIF orientation that does what the display matrix of a frame says; 1 where that is not a quarter turn.

    The matrix maps a stored place (x, y) to (a x + c y, b x + d y), in 16.16 fixed point (ISO/IEC 14496-12, 8.3.2).
    """
    side = frame.side_data.get("DISPLAYMATRIX")
    if side is None:
        return 1
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(side))
    signs = tuple((value > 1 << 15) - (value < -(1 << 15)) for value in (a, b, c, d))
    return next((turn for turn, known in TURNS.items() if known == signs), 1)


def display_matrix(turn: int) -> list[int]:
    """The display matrix that says an EXIF orientation."""
    a, b, c, d = (value << 16 for value in TURNS[turn])
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]
