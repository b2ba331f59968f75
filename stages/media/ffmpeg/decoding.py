"""One file being decoded: which of its frames, by exact time; damage counted and said. Used in a reader's worker."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from typing import Any, Literal, NamedTuple

from pipeline.contracts.contexts import Part, ReadContext
from pipeline.contracts.properties import Clip
from pipeline.errors import ItemError
from stages.media.ffmpeg.inputs import main_video, open_input, origin
from stages.media.ffmpeg.library import load_ffmpeg, refused
from stages.media.ffmpeg.pixels import Importer
from stages.media.ffmpeg.timing import Shot, Stamps, Window, at_rate, each, seconds, spread

BACK_S = (0, 5, 30, 120)  # how far before `begin_s` a seek aims, one after the other
FATAL = (errno.ENOMEM, errno.EIO)  # of the machine and not of the file
MOST_THREADS = 8  # more hold more frames and gain little


class Wanted(NamedTuple):
    """What of a video is read.

    Attributes:
        begin_s, length_s: seconds from the beginning of the file, and how long from there; None to the end.
        rate: constant frames a second; None keeps those of the file.
        step: only each n-th frame, or the frame that is shown at each such number of seconds; None for all.
        keys_only: key frames alone.
        upright: the Spec carries the rotation, to be applied; else it is handed on as the clip's `turn`.
        on_corrupt: damaged frames are kept, left out, or fail the item.
        threads: of the decoder; None is one a core, at most MOST_THREADS.
    """

    begin_s: Fraction
    length_s: Fraction | None
    rate: Fraction | None
    step: int | Fraction | None
    keys_only: bool
    upright: bool
    on_corrupt: Literal["keep", "drop", "fail"]
    threads: int | None

    @property
    def every_frame(self) -> bool:
        return self.rate is None and self.step is None and not self.keys_only


class Decoding:
    """One file being decoded; `container` is to be closed by whom it was made for.

    Args:
        path: the file. wanted: what of it is read. context: lent by the engine for this item.

    Raises:
        ItemError: no video, or none that can be decoded. OSError: as the system says.
    """

    def __init__(self, path: str, wanted: Wanted, context: ReadContext) -> None:
        self.wanted, self.path, self.context = wanted, path, context
        self.errors = load_ffmpeg("video").error
        self._open()
        container, stream = self.container, self.stream
        base = Fraction(stream.time_base)
        usual = max(1, round(1 / (Fraction(stream.average_rate or 25)) / base))
        self.origin = origin(container, stream)
        begin = self.origin + wanted.begin_s
        end = None if wanted.length_s is None else begin + wanted.length_s
        ends = None if not stream.duration else (stream.start_time or 0) + stream.duration
        self.stamps = Stamps(base, usual, ends, by_dts=container.format.name == "avi")
        self.window = Window(begin, end)
        self.damaged = 0
        self.at_end = False

    def _open(self) -> None:
        self.container = open_input(self.path)
        try:
            self.stream = main_video(self.container)
        except ItemError:
            self.container.close()
            raise
        codec = self.stream.codec_context
        codec.thread_type = "FRAME"
        codec.thread_count = self.wanted.threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))

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

    def _importer(self, frame: Any) -> Importer:
        copy = Importer(frame, self.stream, upright=self.wanted.upright)
        self.context.check(copy.spec)
        if copy.loses_alpha:
            self.context.remark("its transparency was left out")
        if frame.interlaced_frame:
            self.context.remark("is interlaced: each frame holds two fields of different times")
        return copy

    def _clip(self, base: Fraction, copy: Importer) -> Clip:
        wanted, window, bits = self.wanted, self.window, copy.layout.bits
        whole = wanted.every_frame and not (self.damaged or self.stamps.repeated)
        end = None if window.end is None else math.ceil(window.end / base)
        return Clip(math.floor(window.begin / base), end, whole, 0 if bits == 8 else bits, copy.turn)

    def _chosen(self) -> Iterator[Shot]:
        wanted = self.wanted
        frames = self._keys() if wanted.keys_only else self._decoded()
        shots: Iterator[Shot] = self.stamps.stamped(frames)
        if wanted.begin_s or self.window.end is not None:  # else a frame before the origin is one of all, too
            on_grid = wanted.rate is not None or isinstance(wanted.step, Fraction)
            shots = self.window.within(shots, shown=on_grid)
        if wanted.rate is not None:
            return at_rate(shots, wanted.rate, self.window)
        if isinstance(wanted.step, int):
            return spread(islice(shots, 0, None, wanted.step), self._end)
        if wanted.step is not None:
            return spread(each(shots, wanted.step, self.window), self._end)
        return shots

    def _end(self) -> Fraction:
        """Where the part that is read ends, when all of it was decoded."""
        return self.stamps.until if self.window.end is None else min(self.stamps.until, self.window.end)

    def _packets(self) -> Iterator[Any]:
        """Packets from a key frame on that is not after `start`; from the first one where none is found by seeking.

        Transport streams have no index: a seek may end behind the key frame that is needed, so it begins further back.
        """
        seeks = self.wanted.begin_s and not self.stamps.by_dts  # the first DTS after a seek are those of no frame
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
                raise refused(error) from error
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
                raise refused(error) from error
            self._damage()
            return []

    def _sound(self, frames: list[Any]) -> Iterator[Any]:
        """The frames that are kept."""
        for frame in frames:
            if frame.is_corrupt:
                self._damage()
                if self.wanted.on_corrupt == "drop":
                    continue
            yield frame

    def _damage(self) -> None:
        self.damaged += 1
        if self.wanted.on_corrupt == "fail":
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
            kept = "left out" if self.wanted.on_corrupt == "drop" else "kept as far as they could be decoded"
            remark(f"{self.damaged} of its frames are damaged; {kept}")
        if stamps.repeated:
            remark(f"{stamps.repeated} of its frames have the time stamp of the one before and were left out")
        if stamps.jumps:
            remark("its time stamps jump back; they were continued")
        if stamps.made:
            remark("has no time stamps; they were made from its frame rate")
        missing = self._missing() if self.at_end and not self.wanted.keys_only else ""
        if missing and self.wanted.on_corrupt == "fail":
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
            expected = seconds("DURATION", stream.metadata["DURATION"])
        elif self.container.duration and len(self.container.streams) == 1:
            expected = self.origin + Fraction(self.container.duration, 1_000_000)
        else:
            return ""
        if expected - self.stamps.until <= max(self.stamps.usual * base, Fraction(1, 2)):
            return ""
        seen, said = (float(time - self.origin) for time in (self.stamps.until, expected))
        return f"it ends at {seen:.2f} s of {said:.2f} s"
