"""Writes one video for each stream of frames, with its exact time stamps and the sound of its source (PyAV)."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

from pipeline import Clip, Frame, Health, Item, ItemError, Spec, SpecError, Template, UsageError, WriteContext, Writer
from stages.media import ffmpeg

X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
MUXERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "ts": "mpegts"}
SVT_LOG = "SVT_LOG"  # the variable by which SVT-AV1 is told how much to say
MOST_FPS = Fraction(240)  # SVT-AV1 takes no more; it is a hint for rate control, time stamps say when a frame is shown
NOTE_SHAPE = ("libx264", "libx265")  # PyAV has no way to tell the Matroska muxer of the shape of pixels
KEEPS_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION


class Encoder(NamedTuple):
    """One of the encoders that are offered.

    Attributes:
        library: FFmpeg's name. crf: the usual constant quality, None for a lossless one; most: the largest number.
        preset: the usual one, of `presets`.
        muxers: formats that hold it.
    """

    library: str
    crf: int | None
    most: int
    preset: str
    presets: tuple[str, ...]
    muxers: tuple[str, ...]


def _numbers(most: int) -> tuple[str, ...]:
    return tuple(map(str, range(most + 1)))


HEVC = Encoder("libx265", 28, 51, "medium", X_PRESETS, ("mp4", "mov", "matroska", "mpegts"))
ENCODERS = {
    "h264": Encoder("libx264", 23, 51, "medium", X_PRESETS, ("mp4", "mov", "matroska", "mpegts")),
    "hevc": HEVC,
    "h265": HEVC,
    "av1": Encoder("libsvtav1", 35, 63, "8", _numbers(13), ("mp4", "matroska", "webm")),
    "vp9": Encoder("libvpx-vp9", 32, 63, "4", _numbers(8), ("mp4", "matroska", "webm")),
    "ffv1": Encoder("ffv1", None, 0, "", (), ("matroska",)),
}


@dataclass(frozen=True)
class VideoFile(Writer):
    """One video file for each item; frames keep their time stamps, and with them a variable frame rate.

    Takes YUV and gray frames of one Spec (the plan puts `yuv` before it). Colour tags, aspect and range are always
    written. Sound and subtitles are copied from the source, packet by packet; what the container cannot hold is left
    out, and the report says so. The file is written beside its target and renamed when it is whole.
    """

    path: str = field(
        metadata={
            "doc": "path of the outputs; {dir} {stem} {ext} {name} are filled in, the extension names the container"
        }
    )
    codec: Literal["h264", "hevc", "h265", "av1", "vp9", "ffv1"] = field(
        default="h264", metadata={"doc": "x264, x265 (h265 is hevc), SVT-AV1, libvpx, or the lossless FFV1 (in .mkv)"}
    )
    crf: int | None = field(
        default=None,
        metadata={"ge": 0, "le": 63, "doc": "constant quality, less is better; null is 23, 28, 35, 32 by codec"},
    )
    preset: str | int | None = field(
        default=None,
        metadata={"doc": "speed: ultrafast to placebo (h264, hevc; null is medium), 0 to 13 (av1; 8), 0 to 8 (vp9; 4)"},
    )
    subsampling: Literal["auto", "420", "422", "444", "keep"] = field(
        default="auto", metadata={"doc": "chroma; auto is 420, which every player takes, and keep for ffv1"}
    )
    depth: Literal["keep", "8"] = field(default="keep", metadata={"doc": "keep 10 bits and more, or round them to 8"})
    odd: Literal["pad", "crop"] = field(
        default="pad", metadata={"doc": "odd sides: repeat the last row or column, or cut it off"}
    )
    sound: Literal["copy", "drop"] = field(default="copy", metadata={"doc": "sound tracks of the source"})
    subtitles: Literal["copy", "drop"] = field(default="copy", metadata={"doc": "subtitle tracks of the source"})
    metadata: Literal["keep", "drop"] = field(
        default="keep", metadata={"doc": "title and other texts, chapters, cover and attachments of the source"}
    )
    keep_start: bool = field(
        default=False, metadata={"doc": "keep the clock of the source; else the output begins at 0"}
    )
    verify: bool = field(
        default=False,
        metadata={"doc": "read the output once more and compare frames, time stamps, sound, duration and tags"},
    )
    threads: int | None = field(
        default=None, metadata={"ge": 1, "le": 128, "doc": "of the encoder; null is one a core"}
    )
    options: dict[str, str | int | float] = field(
        default_factory=dict, metadata={"doc": "further options of the encoder by FFmpeg's names, such as {tune: film}"}
    )

    ordered: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "out/{dir}/{stem}.mp4", "crf": 23, "preset": "veryfast"}
    icc: ClassVar[str] = "srgb"  # video has no place for a profile

    def __post_init__(self) -> None:
        encoder, template = self.encoder, Template(self.path)
        extension = template.format
        muxer = MUXERS.get(extension)
        if not template.known_at_intake:
            raise UsageError("path of a video depends on a single frame", limit="{dir} {stem} {ext} {name} do not")
        if not extension and not self.path.endswith("{ext}"):
            raise UsageError("path names no container", remedy="end it in an extension such as .mp4")
        if extension and muxer not in encoder.muxers:
            names = ", ".join(f".{name}" for name, known in MUXERS.items() if known in encoder.muxers)
            raise UsageError(f"path ends in .{extension}, which does not hold {self.codec}", remedy=f"use {names}")
        if self.crf is not None and (encoder.crf is None or self.crf > encoder.most):
            limit = "it is lossless" if encoder.crf is None else f"at most {encoder.most}"
            raise UsageError(f"crf {self.crf} is nothing that {self.codec} has", limit=limit)
        if self.preset is not None and str(self.preset) not in encoder.presets:
            known = ", ".join(encoder.presets) or "it has none"
            raise UsageError(f"preset {self.preset!r} is none of {self.codec}", limit=known)

    @classmethod
    def health(cls) -> Health | None:
        """Which of the encoders that are offered this build of FFmpeg has."""
        av = ffmpeg.load_ffmpeg("video")
        libraries = {name: encoder.library for name, encoder in ENCODERS.items() if name != "h265"}
        have = [name for name, library in libraries.items() if library in av.codecs_available]
        lacks = [name for name in libraries if name not in have]
        says = f"FFmpeg in PyAV {av.__version__} encodes {', '.join(have)}"
        if not lacks:
            return Health(says)
        return Health(f"{says}, not {', '.join(lacks)}", lacks=True, remedy="install av from a wheel of PyPI")

    @property
    def encoder(self) -> Encoder:
        return ENCODERS[self.codec]

    @property
    def yuv(self) -> Mapping[str, Any]:
        """What the stage `yuv` has to make of the frames."""
        usual = "keep" if self.codec == "ffv1" else "420"
        subsampling = usual if self.subsampling == "auto" else self.subsampling
        return {"subsampling": subsampling, "odd": self.odd, "depth": self.depth}

    def destination(self) -> Template:
        """The template of `path`."""
        return Template(self.path)

    def open(self) -> None:
        """Load FFmpeg; raises EnvironmentRefusal where PyAV is missing."""
        if self.codec == "av1" and SVT_LOG not in os.environ:
            os.environ[SVT_LOG] = "1"  # errors only: else it writes its banner to standard error
            self._set.append(SVT_LOG)
        ffmpeg.load_ffmpeg("video")

    def close(self) -> None:
        """Drop what is half written."""
        self._abandon()
        while self._set:
            os.environ.pop(self._set.pop(), None)

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Encode one frame; 0, for the bytes are counted by `finish`.

        Raises ItemError for what the encoder or container does not take, OSError as the system says.
        """
        under_way = self._job[0] if self._job else None
        if under_way and (under_way.item.number != frame.item.number or under_way.frames > frame.index):
            self._abandon()  # the item before this one failed, or this one is tried again
        try:
            if not self._job:
                self._job.append(_Muxing(self, frame, context))
            self._job[0].encode(frame)
        except ffmpeg.load_ffmpeg("video").error.FFmpegError as error:
            raise ffmpeg.refused(error) from error
        return 0

    def finish(self, item: Item, context: WriteContext) -> int:
        """Flush the encoder, close, verify and rename the file; its size in bytes. Raises as `write` does."""
        if not self._job:
            raise ItemError("no frame is left to write")
        try:
            return self._job[0].finish(context)
        except ffmpeg.load_ffmpeg("video").error.FFmpegError as error:
            raise ffmpeg.refused(error) from error
        finally:
            self._abandon()

    @cached_property
    def _set(self) -> list[str]:
        """Variables of the environment that `open` set."""
        return []

    @cached_property
    def _job(self) -> list[_Muxing]:
        """The file under way, at most one."""
        return []

    def _abandon(self) -> None:
        while self._job:
            self._job.pop().abandon()


class _Muxing:
    """One output file under way."""

    def __init__(self, writer: VideoFile, frame: Frame, context: WriteContext) -> None:
        self.writer, self.item, self.spec, self.context = writer, frame.item, frame.spec, context
        self.base = Fraction(*frame.time_base) if frame.pts is not None else Fraction(1, 25)
        self.clip = frame.clip
        self.zero = 0 if writer.keep_start or frame.clip is None else frame.clip.begin
        self.stamps = array("q")
        self.last = self.frames = 0
        self.durations: dict[int, int] = {}
        self.bits = _bits(writer, frame.spec, (frame.clip or Clip()).bits)
        muxer = _muxer(writer, context.target)
        if frame.spec.sar != (1, 1) and muxer in ("matroska", "webm") and writer.encoder.library not in NOTE_SHAPE:
            across, down = frame.spec.sar
            raise ItemError(
                f"has pixels of {across}:{down}, which cannot be noted of {writer.codec} in this container",
                remedy="write .mp4, or use `codec: h264` or `hevc`, whose streams say it themselves",
            )
        self.path = context.temporary()
        av = ffmpeg.load_ffmpeg("video")
        self.container = av.open(
            "file:" + self.path, "w", format=muxer, container_options=self._container_options(muxer)
        )
        self.copies: ffmpeg.Copies | None = None
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
        writer, spec = self.writer, self.spec
        stream = self.container.add_stream(writer.encoder.library, options=_options(writer))
        codec = stream.codec_context
        codec.width, codec.height = spec.width, spec.height
        codec.pix_fmt = ffmpeg.FORMATS[ffmpeg.Layout(spec.model, self.bits)]
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = ffmpeg.tags_of(spec)
        codec.sample_aspect_ratio = Fraction(*spec.sar)
        codec.time_base = stream.time_base = self.base
        if frame.duration:
            codec.framerate = min(1 / (frame.duration * self.base), MOST_FPS)
        codec.thread_count = writer.threads or len(os.sched_getaffinity(0))
        codec.thread_type = "FRAME"  # PyAV's default cuts each frame into slices, which costs bits and waits
        codec.flags |= KEEPS_DURATION
        if self.clip is not None and self.clip.turn != 1:
            stream.set_display_matrix(ffmpeg.display_matrix(self.clip.turn))
            if self.container.format.name == "mpegts":
                frame.remark("its rotation was lost: .ts has no tag for it; `autorotate: true` turns the pixels")
        self._open_encoder(codec)
        return stream

    def _open_encoder(self, codec: Any) -> None:
        library = self.writer.encoder.library
        remedy = f"`ffmpeg -h encoder={library}` lists options and values"
        try:
            codec.open()
        except ffmpeg.load_ffmpeg("video").error.FFmpegError as error:
            raise ItemError(f"{library} does not open with these settings: {error.strerror}", remedy=remedy) from error
        if codec.options:  # what the encoder did not take
            raise ItemError(f"{library} has no option {next(iter(codec.options))!r}", remedy=remedy)

    def _add_copies(self, frame: Frame) -> None:
        writer = self.writer
        if self.clip is None or (writer.sound, writer.subtitles, writer.metadata) == ("drop", "drop", "drop"):
            return
        kinds = {"audio": writer.sound, "subtitle": writer.subtitles}
        wants = frozenset(kind for kind, policy in kinds.items() if policy == "copy")
        self.copies = ffmpeg.Copies(
            frame.item.source, self.clip, self.base, self.container, zero=self.zero, wants=wants,
            keeps_metadata=writer.metadata == "keep", remark=frame.remark,
        )  # fmt: skip
        if writer.metadata == "keep":
            self.copies.describe_video(self.stream)

    def encode(self, frame: Frame) -> None:
        if frame.spec != self.spec:
            raise SpecError(
                f"frame {frame.index} is {frame.spec}, those before it {self.spec}",
                remedy="a video has one size: resize with width, height and `fit: fill` or `contain`",
            )
        picture = ffmpeg.video_frame(frame.pixels, self.spec, self.bits)
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
        if self.writer.verify:
            ffmpeg.check(self.path, self._expected(), context.alive)
        return context.commit()

    def _expected(self) -> ffmpeg.Expected:
        clip = self.clip or Clip(every=False)
        whole = clip.every and clip.end is None and self.copies is not None and not self.copies.trims
        return ffmpeg.Expected(
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


def _muxer(writer: VideoFile, target: str) -> str:
    """FFmpeg's name of the container; raises ItemError for an `{ext}` that is none, or not of this codec."""
    extension = Template(writer.path).format or target.rpartition(".")[2].lower()
    muxer = MUXERS.get(extension, "")
    if muxer not in writer.encoder.muxers:
        names = ", ".join(f".{name}" for name, known in MUXERS.items() if known in writer.encoder.muxers)
        raise ItemError(f".{extension} does not hold {writer.codec}", remedy=f"end the path in one of {names}")
    return muxer


def _bits(writer: VideoFile, spec: Spec, source: int) -> int:
    """Bits of a sample in the output: those of the source, or the next more that the encoder takes."""
    av = ffmpeg.load_ffmpeg("video")
    wanted = 8 if spec.dtype == "uint8" else source or 10
    formats = {form.name for form in av.codec.Codec(writer.encoder.library, "w").video_formats}
    known = [layout.bits for layout, name in ffmpeg.FORMATS.items() if layout.model == spec.model and name in formats]
    enough = [bits for bits in sorted(known) if (bits >= wanted if wanted > 8 else bits == 8)]
    if not enough:
        took = f"at most {max(known)} bits" if known else f"no {spec.model}"
        raise SpecError(
            f"{writer.codec} cannot hold {spec.model} of {wanted} bits", limit=f"it takes {took}",
            remedy="use `depth: 8`, `subsampling: 420`, or `codec: hevc` or `ffv1`",
        )  # fmt: skip
    return enough[0]


def _options(writer: VideoFile) -> dict[str, str]:
    """The options of FFmpeg's encoder."""
    encoder = writer.encoder
    crf = str(encoder.crf if writer.crf is None else writer.crf)
    preset = str(writer.preset if writer.preset is not None else encoder.preset)
    threads = writer.threads or len(os.sched_getaffinity(0))
    own = {
        # Without this x264 makes another file now and then, and on another CPU; it costs nothing that can be measured.
        "libx264": {"crf": crf, "preset": preset, "x264-params": "cpu-independent=1"},
        "libx265": {"crf": crf, "preset": preset, "x265-params": f"log-level=none:pools={threads}"},
        "libsvtav1": {"crf": crf, "preset": preset, "svtav1-params": f"lp={threads}"},
        "libvpx-vp9": {"crf": crf, "b": "0", "cpu-used": preset, "deadline": "good", "row-mt": "1"},
        "ffv1": {"level": "3", "slicecrc": "1"},
    }[encoder.library]
    for name, value in writer.options.items():
        joins = name.endswith("-params") and name in own
        own[name] = f"{own[name]}:{value}" if joins else str(value)
    return own
