"""Reads videos frame by frame, with the exact time stamps of the file, through FFmpeg (PyAV)."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import chain, islice
from typing import Any, ClassVar, Literal

from pipeline import Clip, Codec, Item, ItemError, Listing, Part, ReadContext, Spec, UsageError
from stages.media import ffmpeg

BACK_S = (0, 5, 30, 120)  # how far before `start` a seek aims, one after the other
FATAL = (errno.ENOMEM, errno.EIO)  # of the machine and not of the file
MOST_THREADS = 8  # more hold more frames and gain little
CONTAINERS = "mp4,m4v,mov,mkv,webm,avi,ts,mts,m2ts,mpg,mpeg,wmv,flv,ogv,3gp,y4m,h264,hevc"


@dataclass(frozen=True)
class Video(Listing):
    """One ordered stream of frames for each file: yuv420, yuv422, yuv444, gray, rgb or rgba as the file holds them.

    Time stamps are those of the file, in its own units; nothing is counted or computed from a frame rate. Frames that
    come out only when the decoder is flushed, edit lists and B-frames are taken care of; the best video stream is
    read, never a cover picture. Samples of 10 bits and more come as uint16, HDR tags with them. Rotation is applied
    (by the stage `orient`, which the plan puts in), the aspect of a sample travels in the Spec. Files without colour
    tags are taken as BT.709 from 720 lines on, else as BT.601. Damage is counted, and said in the report.
    """

    include: list[str] = field(
        default_factory=lambda: [f"**/*.{{{CONTAINERS}}}"],
        metadata={"doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either"},
    )
    start: float | str = field(
        default=0, metadata={"unit": "s", "doc": 'first time that is read: 90, "1.5s", "1:30"; counted from the start'}
    )
    duration: float | str | None = field(
        default=None, metadata={"unit": "s", "doc": "how long from there; null is to the end"}
    )
    every: int | str | None = field(
        default=None,
        metadata={"doc": 'only each n-th frame (10), the frame that is shown each time ("2s"), or key frames ("key")'},
    )
    fps: float | str | None = field(
        default=None,
        metadata={
            "doc": 'constant frame rate, such as 25 or "30000/1001": frames are repeated or left out; null keeps all'
        },
    )
    autorotate: bool = field(default=True, metadata={"doc": "turn frames upright; false hands the file's tag on"})
    on_corrupt: Literal["keep", "drop", "fail"] = field(
        default="keep",
        metadata={"doc": "frames that the decoder found damaged: take them, leave them out, fail the item"},
    )
    threads: int | None = field(
        default=None, metadata={"ge": 1, "le": 64, "doc": "of the decoder; null is one a core, at most 8"}
    )

    planes: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "samples/clips", "start": "0.5s", "every": "1s"}

    def __post_init__(self) -> None:
        _ = self.begin_s, self.length_s, self.rate, self.step
        if self.every is not None and self.fps is not None:
            raise UsageError("every and fps exclude each other", remedy="use one of them")

    @classmethod
    def probe(cls, path: str) -> dict[str, Any] | None:
        """Streams, frames by index, time, colour and warnings; every file that FFmpeg opens is its own."""
        return ffmpeg.probe(path)

    @property
    def streams(self) -> bool:
        return True

    @property
    def turns(self) -> bool:
        return self.autorotate

    @cached_property
    def begin_s(self) -> Fraction:
        return ffmpeg.seconds("start", self.start)

    @cached_property
    def length_s(self) -> Fraction | None:
        return None if self.duration is None else ffmpeg.seconds("duration", self.duration)

    @cached_property
    def rate(self) -> Fraction | None:
        return None if self.fps is None else ffmpeg.frame_rate("fps", self.fps)

    @cached_property
    def step(self) -> int | Fraction | None:
        """`every`: a number of frames, or seconds; None for all frames and for key frames."""
        if self.every is None or self.every == "key":
            return None
        step = self.every if isinstance(self.every, int) else ffmpeg.seconds("every", self.every)
        if step <= 0:
            raise UsageError(f"every {self.every!r} is too small", limit="more than 0")
        return step

    def open(self) -> None:
        """Load FFmpeg; raises EnvironmentRefusal where PyAV is missing."""
        ffmpeg.load_ffmpeg("video")

    def sample(self, item: Item, context: ReadContext) -> tuple[Spec, Codec | None]:
        """What the header of the main video stream says; rotation is known from frames only."""
        with ffmpeg.open_input(item.source) as container:
            stream = ffmpeg.main_video(container)
            return ffmpeg.spec_of(stream.codec_context, stream), None

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        """The frames in the order of their time stamps.

        Raises:
            ItemError: no video, or none that can be decoded; damage with `on_corrupt: fail`; over a limit.
            OSError: as the system says.
        """
        self.must_be_file(item)
        context.took(os.path.getsize(item.source))
        decoding = _Decoding(self, item.source, context)
        try:
            count = 0
            for part in decoding.parts():
                yield part
                count += 1
            decoding.conclude(count)
        finally:
            decoding.container.close()


class _Decoding:
    """One file being decoded."""

    def __init__(self, reader: Video, path: str, context: ReadContext) -> None:
        self.reader, self.path, self.context = reader, path, context
        self.errors = ffmpeg.load_ffmpeg("video").error
        self._open()
        container, stream = self.container, self.stream
        base = Fraction(stream.time_base)
        usual = max(1, round(1 / (Fraction(stream.average_rate or 25)) / base))
        self.origin = ffmpeg.origin(container, stream)
        begin = self.origin + reader.begin_s
        end = None if reader.length_s is None else begin + reader.length_s
        ends = None if not stream.duration else (stream.start_time or 0) + stream.duration
        self.stamps = ffmpeg.Stamps(base, usual, ends, by_dts=container.format.name == "avi")
        self.window = ffmpeg.Window(begin, end)
        self.damaged = 0
        self.at_end = False

    def _open(self) -> None:
        self.container = ffmpeg.open_input(self.path)
        try:
            self.stream = ffmpeg.main_video(self.container)
        except ItemError:
            self.container.close()
            raise
        codec = self.stream.codec_context
        codec.thread_type = "FRAME"
        codec.thread_count = self.reader.threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))

    def parts(self) -> Iterator[Part]:
        """The frames asked for, announced one by one."""
        copy = None
        for shot in self._chosen():
            self.context.alive()
            if copy is None or not copy.fits(shot.frame):
                copy = self._importer(shot.frame)
            yield Part(
                copy.spec, copy.fill(shot.frame), pts=shot.pts, time_base=shot.base.as_integer_ratio(),
                duration=shot.duration, clip=self._clip(shot.base, copy),
            )  # fmt: skip

    def _importer(self, frame: Any) -> ffmpeg.Importer:
        copy = ffmpeg.Importer(frame, self.stream, upright=self.reader.autorotate)
        self.context.check(copy.spec)
        if copy.loses_alpha:
            self.context.remark("its transparency was left out")
        if frame.interlaced_frame:
            self.context.remark("is interlaced: each frame holds two fields of different times")
        return copy

    def _clip(self, base: Fraction, copy: ffmpeg.Importer) -> Clip:
        reader, window, bits = self.reader, self.window, copy.layout.bits
        whole = reader.every is None and reader.fps is None and not (self.damaged or self.stamps.repeated)
        end = None if window.end is None else math.ceil(window.end / base)
        return Clip(math.floor(window.begin / base), end, whole, 0 if bits == 8 else bits, copy.turn)

    def _chosen(self) -> Iterator[ffmpeg.Shot]:
        reader = self.reader
        frames = self._keys() if reader.every == "key" else self._decoded()
        shots: Iterator[ffmpeg.Shot] = self.stamps.stamped(frames)
        if reader.begin_s or self.window.end is not None:  # else a frame before the origin is one of all, too
            on_grid = reader.rate is not None or isinstance(reader.step, Fraction)
            shots = self.window.within(shots, shown=on_grid)
        if reader.rate is not None:
            return ffmpeg.at_rate(shots, reader.rate, self.window)
        if isinstance(reader.step, int):
            return ffmpeg.spread(islice(shots, 0, None, reader.step), self._end)
        if reader.step is not None:
            return ffmpeg.spread(ffmpeg.each(shots, reader.step, self.window), self._end)
        return shots

    def _end(self) -> Fraction:
        """Where the part that is read ends, when all of it was decoded."""
        return self.stamps.until if self.window.end is None else min(self.stamps.until, self.window.end)

    def _packets(self) -> Iterator[Any]:
        """Packets from a key frame on that is not after `start`; from the first one where none is found by seeking.

        Transport streams have no index: a seek may end behind the key frame that is needed, so it begins further back.
        """
        seeks = self.reader.begin_s and not self.stamps.by_dts  # the first DTS after a seek are those of no frame
        for back_s in BACK_S if seeks else ():
            target = self.window.begin - back_s
            if target <= self.origin:
                break
            packets = self._sought(math.floor(target / self.stamps.base))
            first = next((packet for packet in packets if packet.is_keyframe), None)
            if first is not None and first.pts is not None and first.pts * self.stamps.base <= self.window.begin:
                return chain([first], packets)
        if seeks:
            self.container.close()
            self._open()
        return self._demuxed()

    def _sought(self, target: int) -> Iterator[Any]:
        try:
            self.container.seek(target, stream=self.stream, backward=True)
        except self.errors.FFmpegError:
            return iter(())
        return self._demuxed()

    def _demuxed(self) -> Iterator[Any]:
        """Packets to the end, or to where the file breaks; the last one is empty and flushes the decoder."""
        packets = self.container.demux(self.stream)
        while True:
            self.context.alive()
            try:
                packet = next(packets, None)
            except self.errors.InvalidDataError:
                self._damage()
                return
            except self.errors.FFmpegError as error:
                raise ffmpeg.refused(error) from error
            if packet is None:
                return
            if packet.size or (packet.pts is None and packet.dts is None):
                yield packet  # an empty one with a time repeats the frame before it, which is shown on

    def _decoded(self) -> Iterator[Any]:
        for packet in self._packets():
            yield from self._sound(self._decode(packet.decode))
        self.at_end = True

    def _keys(self) -> Iterator[Any]:
        """Key frames alone, each decoded by itself: cheaper by far, and no frame that leads another gets in."""
        codec = self.stream.codec_context
        codec.thread_count = 1
        for packet in self._packets():
            if packet.is_keyframe and packet.size:
                yield from self._sound([*self._decode(codec.decode, packet), *self._decode(codec.decode, None)])
                codec.flush_buffers()
        self.at_end = True

    def _decode(self, decode: Any, *packet: Any) -> list[Any]:
        try:
            return list(decode(*packet))
        except self.errors.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in FATAL:
                raise ffmpeg.refused(error) from error
            self._damage()
            return []

    def _sound(self, frames: list[Any]) -> Iterator[Any]:
        """The frames that are kept."""
        for frame in frames:
            if frame.is_corrupt:
                self._damage()
                if self.reader.on_corrupt == "drop":
                    continue
            yield frame

    def _damage(self) -> None:
        self.damaged += 1
        if self.reader.on_corrupt == "fail":
            raise ItemError("is damaged", remedy="`on_corrupt: keep` takes what can be decoded")

    # ---- what is said at the end -----------------------------------------------------------------------------------

    def conclude(self, count: int) -> None:
        """Say what was found on the way; raise ItemError where nothing was."""
        if not count:
            if self.damaged:
                raise ItemError("no frame could be decoded", limit=f"{self.damaged} damaged packets or frames")
            raise ItemError("has no frame in the part that is read", limit=self._part())
        remark, stamps = self.context.remark, self.stamps
        if self.damaged:
            kept = "left out" if self.reader.on_corrupt == "drop" else "kept as far as they could be decoded"
            remark(f"{self.damaged} of its frames are damaged; {kept}")
        if stamps.repeated:
            remark(f"{stamps.repeated} of its frames have the time stamp of the one before and were left out")
        if stamps.jumps:
            remark("its time stamps jump back; they were continued")
        if stamps.made:
            remark("has no time stamps; they were made from its frame rate")
        missing = self._missing() if self.at_end and self.reader.every != "key" else ""
        if missing and self.reader.on_corrupt == "fail":
            raise ItemError(f"is truncated: {missing}")
        if missing:
            remark(f"is truncated: {missing}")

    def _part(self) -> str:
        until = "the end" if self.window.end is None else f"{float(self.window.end - self.origin):g} s"
        return f"from {float(self.window.begin - self.origin):g} s to {until}"

    def _missing(self) -> str:
        """What the file says that it holds beyond its last frame, where that is more than a frame and half a second."""
        stream, base = self.stream, self.stamps.base
        if stream.duration:
            expected = ((stream.start_time or 0) + stream.duration) * base
        elif "DURATION" in stream.metadata:
            expected = ffmpeg.seconds("DURATION", stream.metadata["DURATION"])
        elif self.container.duration and len(self.container.streams) == 1:
            expected = self.origin + Fraction(self.container.duration, 1_000_000)
        else:
            return ""
        if expected - self.stamps.until <= max(self.stamps.usual * base, Fraction(1, 2)):
            return ""
        seen, said = (float(time - self.origin) for time in (self.stamps.until, expected))
        return f"it ends at {seen:.2f} s of {said:.2f} s"
