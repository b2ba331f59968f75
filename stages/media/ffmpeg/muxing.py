"""One video file being written: frames encoded, sound and subtitles copied beside them. Used in a writer's worker."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from pipeline.contracts.contexts import WriteContext
from pipeline.contracts.frame import Frame
from pipeline.contracts.properties import Clip
from pipeline.errors import ItemError, SpecError
from stages.media.ffmpeg.copies import Copies
from stages.media.ffmpeg.encoders import Encoder, bits_for, muxer_for, options_for
from stages.media.ffmpeg.library import load_ffmpeg
from stages.media.ffmpeg.pixels import FORMATS, SampleLayout, display_matrix, video_frame
from stages.media.ffmpeg.tags import tags_of
from stages.media.ffmpeg.verify import Expected, check

MOST_FPS = Fraction(240)  # SVT-AV1 takes no more; it is a hint for rate control, time stamps say when a frame is shown
NOTE_SHAPE = ("libx264", "libx265")  # PyAV has no way to tell the Matroska muxer of the shape of pixels
KEEPS_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION


class MuxSettings(NamedTuple):
    """How a video is written.

    Attributes:
        encoder, crf, preset, threads, options: see `options_for`; None is the usual one, and one thread a core.
        copies: kinds of streams that are copied from the source: "audio", "subtitle".
        keeps_metadata: title and other texts, chapters, cover and attachments go along.
        keep_start: the clock of the source is kept; else the output begins at 0.
        verify: the output is read once more and compared.
        extension: names the container; "" is that of the target.
    """

    encoder: Encoder
    crf: int | None
    preset: str | None
    threads: int | None
    options: Mapping[str, str | int | float]
    copies: frozenset[str]
    keeps_metadata: bool
    keep_start: bool
    verify: bool
    extension: str


class Muxing:
    """One output file under way, written beside its target.

    Args:
        settings: how it is encoded, and what is copied. frame: the first one. context: lent by the engine.

    Raises:
        ItemError: what the encoder or the container does not take. OSError: as the system says.
    """

    def __init__(self, settings: MuxSettings, frame: Frame, context: WriteContext) -> None:
        self.settings, self.item, self.spec, self.context = settings, frame.item, frame.spec, context
        self.base = Fraction(*frame.time_base) if frame.pts is not None else Fraction(1, 25)
        self.clip = frame.clip
        self.zero = 0 if settings.keep_start or frame.clip is None else frame.clip.begin
        self.stamps = array("q")
        self.last = self.frames = 0
        self.durations: dict[int, int] = {}
        self.bits = bits_for(settings.encoder, frame.spec, (frame.clip or Clip()).bits)
        muxer = muxer_for(settings.encoder, settings.extension or context.target.rpartition(".")[2].lower())
        if frame.spec.sar != (1, 1) and muxer in ("matroska", "webm") and settings.encoder.library not in NOTE_SHAPE:
            across, down = frame.spec.sar
            raise ItemError(
                f"has pixels of {across}:{down}, which {settings.encoder.name} cannot say in this container",
                remedy="write .mp4, or use `codec: h264` or `hevc`, whose streams say it themselves",
            )
        self.path = context.temporary()
        av = load_ffmpeg("video")
        self.container = av.open(
            "file:" + self.path, "w", format=muxer, container_options=self._container_options(muxer)
        )
        self.copies: Copies | None = None
        try:
            self.stream = self._add_stream(frame)
            self._add_copies(frame)
        except BaseException:
            self.abandon()
            raise

    def _container_options(self, muxer: str) -> dict[str, str]:
        same = {"fflags": "+bitexact"}  # no random numbers: the same job makes the same file
        if muxer not in ("mp4", "mov"):
            return same
        # The clock of the whole file in units of the video's, or a start that is not 0 is rounded to milliseconds.
        return {**same, "movflags": "+faststart", "movie_timescale": str(min(self.base.denominator, 1 << 30))}

    def _add_stream(self, frame: Frame) -> Any:
        settings, spec = self.settings, self.spec
        encoder, threads = settings.encoder, settings.threads or len(os.sched_getaffinity(0))
        options = options_for(encoder, settings.crf, settings.preset, threads, settings.options)
        stream = self.container.add_stream(encoder.library, options=options)
        codec = stream.codec_context
        codec.width, codec.height = spec.width, spec.height
        codec.pix_fmt = FORMATS[SampleLayout(spec.model, self.bits)]
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = tags_of(spec)
        codec.sample_aspect_ratio = Fraction(*spec.sar)
        codec.time_base = stream.time_base = self.base
        if frame.duration:
            codec.framerate = min(1 / (frame.duration * self.base), MOST_FPS)
        codec.thread_count = threads
        codec.thread_type = "FRAME"  # PyAV's default cuts each frame into slices, which costs bits and waits
        codec.flags |= KEEPS_DURATION
        if self.clip is not None and self.clip.turn != 1:
            stream.set_display_matrix(display_matrix(self.clip.turn))
            if self.container.format.name == "mpegts":
                frame.remark("its rotation was lost: .ts has no tag for it; `autorotate: true` turns the pixels")
        self._open_encoder(codec)
        return stream

    def _open_encoder(self, codec: Any) -> None:
        library = self.settings.encoder.library
        remedy = f"`ffmpeg -h encoder={library}` lists options and values"
        try:
            codec.open()
        except load_ffmpeg("video").error.FFmpegError as error:
            raise ItemError(f"{library} does not open with these settings: {error.strerror}", remedy=remedy) from error
        if codec.options:  # what the encoder did not take
            raise ItemError(f"{library} has no option {next(iter(codec.options))!r}", remedy=remedy)

    def _add_copies(self, frame: Frame) -> None:
        wants, keeps = self.settings.copies, self.settings.keeps_metadata
        if self.clip is None or not (wants or keeps):
            return
        self.copies = Copies(
            frame.item.source, self.clip, self.base, self.container, zero=self.zero, wants=wants,
            keeps_metadata=keeps, remark=frame.remark,
        )  # fmt: skip
        if keeps:
            self.copies.describe_video(self.stream)

    def encode(self, frame: Frame) -> None:
        if frame.spec != self.spec:
            raise SpecError(
                f"frame {frame.index} is {frame.spec}, those before it {self.spec}",
                remedy="a video has one size: resize with width, height and `fit: fill` or `contain`",
            )
        picture = video_frame(frame.pixels, self.spec, self.bits)
        pts = (frame.index if frame.pts is None else frame.pts) - self.zero
        picture.pts, picture.time_base = pts, self.base
        self.last, self.frames, self.clip = frame.duration, frame.index + 1, frame.clip
        if frame.duration:
            picture.duration = frame.duration
            self.durations[pts] = frame.duration
        self.stamps.append(pts)
        self._mux(self.stream.codec_context.encode(picture))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.stream = self.stream
            duration = self.durations.pop(packet.pts, 0)
            if duration:
                packet.duration = duration
            if self.copies is not None:
                self.copies.mux_until((packet.dts if packet.dts is not None else packet.pts) * self.base)
            self.container.mux(packet)

    def finish(self, context: WriteContext) -> int:
        self._mux(self.stream.codec_context.encode(None))
        if self.copies is not None:
            self.copies.mux_until(None)
        context.alive()
        self.container.close()
        context.alive()
        if self.settings.verify:
            check(self.path, self._expected(), context.alive)
        return context.commit()

    def _expected(self) -> Expected:
        clip = self.clip or Clip(every=False)
        whole = clip.every and clip.end is None and self.copies is not None and not self.copies.trims
        return Expected(
            self.spec, self.stamps, self.base, self.last, clip.turn,
            tuple(self.copies.tracks.values()) if self.copies is not None else (),
            source=self.item.source if whole else "", frames=self.frames,
        )  # fmt: skip

    def abandon(self) -> None:
        """Close and remove what is there; nothing where the file was committed."""
        try:
            self.container.close()
        except (OSError, ValueError):
            pass  # half a file cannot always be closed well, and is removed just below
        if self.copies is not None:
            self.copies.close()
        self.context.discard()
