"""A written video looked at again: what is in the file against what was put into it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from pipeline.contracts.spec import Spec
from pipeline.errors import ItemError
from stages.media.ffmpeg.copies import Track
from stages.media.ffmpeg.inputs import main_video, open_input
from stages.media.ffmpeg.pixels import orientation
from stages.media.ffmpeg.tags import Tags, tags_of

PROGRESSIVE = (0, 1)  # AV_FIELD_UNKNOWN, AV_FIELD_PROGRESSIVE
LATE_S = Fraction(3, 100)  # a frame of sound, by which these formats begin earlier or later
REWRITTEN = ("mpegts", "adts", "avi", "flv")  # formats whose sound is framed in another way than elsewhere


@dataclass(frozen=True, slots=True)
class Expected:
    """What an output should hold.

    Attributes:
        stamps: of the frames that were written, growing, in units of `base` seconds.
        last: how long the last frame is shown, in the same units; 0 where that is not known.
        turn: the EXIF orientation that its tag says.
        tracks: what was copied beside the frames.
        source: a file every frame of which was to be read; "" where only a part was, or it is damaged.
        frames: how many frames the reader gave, to the last that was written.
    """

    spec: Spec
    stamps: Sequence[int]
    base: Fraction
    last: int
    turn: int
    tracks: Sequence[Track]
    source: str = ""
    frames: int = 0


def differences(path: str, expected: Expected, alive: Callable[[], None]) -> list[str]:
    """What differs between a file and what it should hold, each in a few words; empty where nothing does.

    Decodes one frame, for rotation is known from there only. `alive` is called now and then.
    """
    with open_input(path) as container:
        began = _began(container)
    found: list[str] = []
    with open_input(path) as container:
        found += _of_video(container, expected, alive)
    with open_input(path) as container:
        found += _of_tracks(container, expected, began, alive)
    if expected.source:
        with open_input(expected.source) as container:
            found += _of_source(container, expected, alive)
    return found


def _began(container: Any) -> Fraction:
    """When the first frame of the main video is shown."""
    stream = main_video(container)
    return Fraction((stream.start_time or 0) * stream.time_base)


def _of_source(container: Any, expected: Expected, alive: Callable[[], None]) -> Iterator[str]:
    """Whether the reader gave as many frames as the source shows; of fields, two packets may be one frame."""
    stream = main_video(container)
    if stream.codec_context.field_order not in PROGRESSIVE:
        return
    count = 0
    for packet in container.demux(stream):
        alive()
        count += bool(packet.size) and not packet.is_discard
    if count != expected.frames:
        yield f"{expected.frames} frames were read of {count} that the source holds"


def _of_video(container: Any, expected: Expected, alive: Callable[[], None]) -> Iterator[str]:
    stream = main_video(container)
    yield from _of_stream(stream, expected.spec)
    base, stamps, turn, end = Fraction(stream.time_base), [], 1, Fraction(0)
    for packet in container.demux(stream):
        alive()
        if packet.size and packet.pts is not None and not packet.is_discard:
            stamps.append(packet.pts)
            end = max(end, (packet.pts + (packet.duration or 0)) * base)
    stamps.sort()
    if len(stamps) != len(expected.stamps):
        yield f"{len(stamps)} frames for {len(expected.stamps)}"
        return
    offset = stamps[0] * base - expected.stamps[0] * expected.base
    late = [
        abs(have * base - want * expected.base - offset) > base / 2
        for have, want in zip(stamps, expected.stamps, strict=True)
    ]
    if any(late):
        yield f"{sum(late)} of {len(stamps)} time stamps differ, the first at frame {late.index(True)}"
    if expected.last:
        until = (expected.stamps[-1] + expected.last) * expected.base + offset
        # mp4 keeps distances of DTS: of a variable rate the last one may be any of them.
        longest = max((after - before for before, after in pairwise(expected.stamps)), default=expected.last)
        if abs(end - until) > max(longest, expected.last) * expected.base + base:
            yield f"it ends at {float(end):.3f} s for {float(until):.3f} s"
    container.seek(0)
    turn = next((orientation(frame) for frame in container.decode(stream)), 1)
    if turn != expected.turn:
        yield f"rotation is {turn} for {expected.turn} (EXIF orientation)"


def _of_stream(stream: Any, spec: Spec) -> Iterator[str]:
    codec = stream.codec_context
    if (codec.height, codec.width) != spec.size:
        yield f"size {codec.width}x{codec.height} for {spec.width}x{spec.height}"
    tags = Tags(int(codec.colorspace), int(codec.color_primaries), int(codec.color_trc), int(codec.color_range))
    for name, have, want in zip(Tags._fields, tags, tags_of(spec), strict=True):
        if have != want:
            yield f"colour {name} {have} for {want}"
    sar = stream.sample_aspect_ratio or codec.sample_aspect_ratio or Fraction(1)
    if sar and abs(sar / Fraction(*spec.sar) - 1) > Fraction(1, 200):
        yield f"sample aspect ratio {sar} for {spec.sar[0]}:{spec.sar[1]}"


def _of_tracks(container: Any, expected: Expected, began: Fraction, alive: Callable[[], None]) -> Iterator[str]:
    streams = [stream for stream in container.streams if stream.type in ("audio", "subtitle")]
    tracks = [track for track in expected.tracks if track.source.type in ("audio", "subtitle")]
    if len(streams) != len(tracks):
        yield f"{len(streams)} tracks of sound and subtitles for {len(tracks)}"
        return
    counts = dict.fromkeys((stream.index for stream in streams), 0)
    sums = dict(counts)
    first: dict[int, Fraction] = {}
    for packet in container.demux(streams) if streams else ():
        alive()
        if packet.size:
            if packet.pts is not None:
                first.setdefault(packet.stream.index, packet.pts * packet.time_base)
            counts[packet.stream.index] += 1
            sums[packet.stream.index] = zlib.crc32(bytes(packet), sums[packet.stream.index])
    rewritten = container.format.name in REWRITTEN
    for stream, track in zip(streams, tracks, strict=True):
        rewrites = rewritten or track.source.container.format.name in REWRITTEN
        if counts[stream.index] != track.packets:
            yield f"{counts[stream.index]} packets of {stream.type} for {track.packets}"
        elif not rewrites and track.packets and sums[stream.index] != track.crc:
            yield f"the packets of {stream.type} have other bytes"
        if stream.type == "audio" and track.first is not None and stream.index in first:
            late = first[stream.index] - began - (track.first - expected.stamps[0] * expected.base)
            if abs(late) > max(Fraction(1, 1000), Fraction(stream.time_base)) + LATE_S * rewrites:
                yield f"sound is {1000 * float(late):+.1f} ms out of step"


def check(path: str, expected: Expected, alive: Callable[[], None] = lambda: None) -> None:
    """Raise ItemError where a file does not hold what it should."""
    found = differences(path, expected, alive)
    if found:
        raise ItemError(f"verification failed: {'; '.join(found)}")
