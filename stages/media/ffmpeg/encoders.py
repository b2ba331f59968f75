"""The encoders of video that are offered: what they are called, take and are held by. Only `bits_for` asks FFmpeg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.contracts.spec import Spec
from pipeline.errors import ItemError, SpecError
from stages.media.ffmpeg.library import load_ffmpeg
from stages.media.ffmpeg.pixels import FORMATS

X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
MUXERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "ts": "mpegts"}


class Encoder(NamedTuple):
    """One of the encoders that are offered.

    Attributes:
        name: what a config calls it. library: FFmpeg's name.
        crf: the usual constant quality, None for a lossless one; most: the largest number.
        preset: the usual one, of `presets`.
        muxers: formats that hold it.
    """

    name: str
    library: str
    crf: int | None
    most: int
    preset: str
    presets: tuple[str, ...]
    muxers: tuple[str, ...]

    @property
    def extensions(self) -> str:
        """Those of the files that hold it, in words."""
        return ", ".join(f".{name}" for name, known in MUXERS.items() if known in self.muxers)


def _numbers(most: int) -> tuple[str, ...]:
    return tuple(map(str, range(most + 1)))


HEVC = Encoder("hevc", "libx265", 28, 51, "medium", X_PRESETS, ("mp4", "mov", "matroska", "mpegts"))
ENCODERS = {
    "h264": Encoder("h264", "libx264", 23, 51, "medium", X_PRESETS, ("mp4", "mov", "matroska", "mpegts")),
    "hevc": HEVC,
    "h265": HEVC._replace(name="h265"),
    "av1": Encoder("av1", "libsvtav1", 35, 63, "8", _numbers(13), ("mp4", "matroska", "webm")),
    "vp9": Encoder("vp9", "libvpx-vp9", 32, 63, "4", _numbers(8), ("mp4", "matroska", "webm")),
    "ffv1": Encoder("ffv1", "ffv1", None, 0, "", (), ("matroska",)),
}


def muxer_for(encoder: Encoder, extension: str) -> str:
    """FFmpeg's name of the container of such files; raises ItemError for an extension that is not of this codec."""
    muxer = MUXERS.get(extension, "")
    if muxer not in encoder.muxers:
        remedy = f"end the path in one of {encoder.extensions}"
        raise ItemError(f".{extension} does not hold {encoder.name}", remedy=remedy)
    return muxer


def bits_for(encoder: Encoder, spec: Spec, source: int) -> int:
    """Bits of a sample in the output: those of the source, or the next more that the encoder takes."""
    av = load_ffmpeg("video")
    wanted = 8 if spec.dtype == "uint8" else source or 10
    formats = {form.name for form in av.codec.Codec(encoder.library, "w").video_formats}
    known = [layout.bits for layout, name in FORMATS.items() if layout.model == spec.model and name in formats]
    enough = [bits for bits in sorted(known) if (bits >= wanted if wanted > 8 else bits == 8)]
    if not enough:
        took = f"at most {max(known)} bits" if known else f"no {spec.model}"
        raise SpecError(
            f"{encoder.name} cannot hold {spec.model} of {wanted} bits", limit=f"it takes {took}",
            remedy="use `depth: 8`, `subsampling: 420`, or `codec: hevc` or `ffv1`",
        )  # fmt: skip
    return enough[0]


def options_for(
    encoder: Encoder, crf: int | None, preset: str | None, threads: int, more: Mapping[str, str | int | float]
) -> dict[str, str]:
    """The options of FFmpeg's encoder; `more` are the user's, and go over our own. None is the usual crf or preset."""
    crf = encoder.crf if crf is None else crf
    preset = encoder.preset if preset is None else preset
    own = {
        # Without this x264 makes another file now and then, and on another CPU; it costs nothing that can be measured.
        "libx264": {"crf": str(crf), "preset": preset, "x264-params": "cpu-independent=1"},
        "libx265": {"crf": str(crf), "preset": preset, "x265-params": f"log-level=none:pools={threads}"},
        "libsvtav1": {"crf": str(crf), "preset": preset, "svtav1-params": f"lp={threads}"},
        "libvpx-vp9": {"crf": str(crf), "b": "0", "cpu-used": preset, "deadline": "good", "row-mt": "1"},
        "ffv1": {"level": "3", "slicecrc": "1"},
    }[encoder.library]
    for name, value in more.items():
        joins = name.endswith("-params") and name in own
        own[name] = f"{own[name]}:{value}" if joins else str(value)
    return own
