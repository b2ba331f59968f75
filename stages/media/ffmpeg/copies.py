"""Sound, subtitles, covers, chapters and metadata of a source, handed on to an output as they are."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.contracts.properties import Clip
from stages.media.ffmpeg.inputs import is_cover, main_video, open_input, origin
from stages.media.ffmpeg.library import load_ffmpeg, refused
from stages.media.ffmpeg.timing import JUMP_S

OWN_KEYS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")  # each muxer writes its own
STATISTICS = ("BPS", "NUMBER_OF_", "_STATISTICS_")  # of Matroska, and wrong as soon as a packet is another
IN_TS = ("aac", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3", "dca", "libopus", "opus", "dvbsub")
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


@dataclass(slots=True)
class Track:
    """A stream that is copied: its source and its place in the output, and what went there.

    Attributes:
        packets, crc: how many packets, and CRC-32 of their payloads one after the other.
        dts, shift: of the last packet; what was added to all since the stamps jumped back. In the source's units.
        first, until: time of the first and end of the last in the output, in seconds; None before there is one.
    """

    source: Any
    target: Any
    packets: int = 0
    crc: int = 0
    dts: int | None = None
    shift: int = 0
    first: Fraction | None = None
    until: Fraction | None = None


class Copies:
    """What goes from a source to an output beside the frames.

    Args:
        path: the source. clip: the part of it that is taken, in units of `base` seconds.
        zero: the time of the source that the output begins with, in the same units.
        output: the container to write to, before its first packet.
        wants: kinds of streams that are wanted: "audio", "subtitle".
        keeps_metadata: whether title, chapters and cover go along.
        remark: told what is left behind, and why.
    """

    def __init__(
        self, path: str, clip: Clip, base: Fraction, output: Any, *, zero: int, wants: frozenset[str],
        keeps_metadata: bool, remark: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.path, self.remark = path, remark
        self.source = open_input(path)
        self.video = main_video(self.source)
        self.output = output
        self.begin, self.zero = clip.begin * base, zero * base
        self.end = None if clip.end is None else clip.end * base
        self.trims = self.begin > origin(self.source, self.video)
        self.tracks: dict[int, Track] = {}
        self._past: set[int] = set()
        for stream in self.source.streams:
            if stream is not self.video:
                self._offer(stream, wants, covers=keeps_metadata)
        if keeps_metadata:
            self._describe()
        self._packets = self._demuxed()
        self._next: tuple[Fraction, Any] | None = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def _offer(self, stream: Any, wants: frozenset[str], *, covers: bool) -> None:
        """Take a stream along, or say why not."""
        cover = stream.type == "video" and is_cover(stream)
        if not (covers if cover or stream.type == "attachment" else stream.type in wants):
            titles = stream.type == "data" and self.source.chapters()  # the track that holds them in mp4
            if not titles and (stream.type == "data" or (stream.type == "video" and not cover)):
                self._leave(stream, "one video, sound and subtitles are written")
            return
        matroska = self.output.format.name == "matroska"  # WebM holds neither attachments nor covers
        codec = getattr(stream.codec_context, "name", "")
        if cover and matroska and codec in COVERS:
            name, kind = COVERS[codec]
            self.output.add_attachment(name, kind, self._picture(stream))
        elif matroska if stream.type == "attachment" else self._holds(codec):
            self._add(stream)
        else:
            self._leave(stream, f"{self.output.format.name} holds no {codec or stream.type}")

    def _holds(self, codec: str) -> bool:
        """Whether the output's format takes a codec; FFmpeg does not know it of transport streams."""
        return codec in (IN_TS if self.output.format.name == "mpegts" else self.output.supported_codecs)

    def _add(self, stream: Any) -> None:
        errors = (load_ffmpeg("video").error.FFmpegError, ValueError, TypeError, NotImplementedError)
        try:
            target = self.output.add_stream_from_template(stream)
        except errors as error:
            self._leave(stream, str(error))
            return
        target.disposition = stream.disposition
        target.metadata.update(_own(stream.metadata))
        self.tracks[stream.index] = Track(stream, target)

    def _leave(self, stream: Any, why: str) -> None:
        self.remark(f"its {_called(stream)} was left out: {why}")

    def _picture(self, stream: Any) -> bytes:
        """The bytes of a cover, which has one packet."""
        with open_input(self.path) as container:
            packets = container.demux(container.streams[stream.index])
            return next((bytes(packet) for packet in packets if packet.size), b"")

    def describe_video(self, target: Any) -> None:
        """Give the video stream the language and title of the source's."""
        target.metadata.update(_own(self.video.metadata))
        target.disposition = self.video.disposition

    def _describe(self) -> None:
        self.output.metadata.update(_own(self.source.metadata))
        chapters = []
        for chapter in self.source.chapters():
            base = Fraction(chapter["time_base"])
            start, end = max(chapter["start"] * base, self.begin), chapter["end"] * base
            end = end if self.end is None else min(end, self.end)
            if start < end:
                first, last = (round((time - self.zero) / base) for time in (start, end))
                chapters.append({**chapter, "start": first, "end": last})
        if chapters:
            self.output.set_chapters(chapters)

    def _demuxed(self) -> Iterator[tuple[Fraction, Any]]:
        """Packets of the tracks with their time in the output; those outside the part that is taken are left out."""
        wanted = [track.source for track in self.tracks.values() if track.source.type != "attachment"]
        if not wanted:
            return
        errors = load_ffmpeg("video").error
        self._past = {stream.index for stream in wanted if is_still(stream)}
        if self._past and len(self._past) == len(wanted):
            self._past.clear()  # a cover alone is waited for
        if self.trims:
            self.source.seek(int(self.begin / Fraction(self.video.time_base)), stream=self.video, backward=True)
        packets = self.source.demux(wanted)
        while len(self._past) < len(wanted):
            try:
                packet = next(packets, None)
            except errors.InvalidDataError:
                return  # the reader has said that it is damaged
            except errors.FFmpegError as error:
                raise refused(error) from error
            if packet is None:
                return
            at = self._time(packet)
            if at is not None:
                yield at, packet

    def _time(self, packet: Any) -> Fraction | None:
        """When it belongs into the output; None where it does not."""
        if not packet.size:
            return None
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or is_still(packet.stream):
            return Fraction(0)
        at = Fraction(stamp * packet.time_base)
        if self.end is not None and at >= self.end:
            self._past.add(packet.stream.index)
            return None
        return None if self.trims and at < self.begin else at - self.zero

    def _jump(self, track: Track, packet: Any) -> int:
        """What is added to a packet's stamps: once they jump back they go on from the last one, as frames do."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return track.shift
        if track.dts is not None and (track.dts - stamp - track.shift) * packet.time_base > JUMP_S:
            track.shift = track.dts + (packet.duration or 1) - stamp
        track.dts = stamp + track.shift
        return track.shift

    def mux_until(self, time: Fraction | None) -> None:
        """Write the packets up to a time of the output, in seconds; None writes all."""
        while self._next is not None and (time is None or self._next[0] <= time):
            self._mux(*self._next)
            self._next = next(self._packets, None)

    def _mux(self, at: Fraction, packet: Any) -> None:
        track = self.tracks[packet.stream.index]
        if is_still(packet.stream):
            packet.pts = packet.dts = 0
        else:
            shift = round(self.zero / packet.time_base) - self._jump(track, packet)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        track.packets += 1
        track.crc = zlib.crc32(bytes(packet), track.crc)
        track.first = at if track.first is None else min(track.first, at)
        until = at + (packet.duration or 0) * packet.time_base
        track.until = until if track.until is None else max(track.until, until)
        packet.stream = track.target
        self.output.mux(packet)


def _own(metadata: Any) -> dict[str, str]:
    """The texts that people wrote, without those that a muxer writes."""
    return {
        key: value for key, value in metadata.items()
        if key.lower() not in OWN_KEYS and not key.upper().startswith(STATISTICS)
    }  # fmt: skip


def is_still(stream: Any) -> bool:
    """Whether a stream is a cover picture, which has no time."""
    return bool(stream.type == "video")


def _called(stream: Any) -> str:
    """A stream as people would name it."""
    kind = {"audio": "sound", "subtitle": "subtitles", "data": "data stream", "attachment": "attachment"}
    what = (
        "cover picture" if stream.type == "video" and is_cover(stream) else kind.get(stream.type, "other video stream")
    )
    language = f" ({stream.language})" if getattr(stream, "language", None) else ""
    return f"{what}{language}"
