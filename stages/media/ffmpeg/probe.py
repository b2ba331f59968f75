"""What a video file holds, from its headers and packets: no pixel is decoded but those of one frame."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from pipeline.errors import ItemError
from stages.media.ffmpeg.inputs import is_cover, main_video, open_input, origin
from stages.media.ffmpeg.library import load_ffmpeg, refused
from stages.media.ffmpeg.pixels import orientation, spec_of
from stages.media.ffmpeg.tags import MATRIX_CODES, PRIMARIES_CODES, RANGE_CODES, TRANSFER_CODES

DELTAS = 8  # different distances between frames that are listed


class Shown(NamedTuple):
    """A packet of the main video: when its frame is shown (None: the file does not say), and whether it is a key."""

    pts: int | None
    key: bool
    nbytes: int


def probe(path: str) -> dict[str, Any]:
    """Streams, frames by index, time, colour and what to beware of, as plain data.

    Raises ItemError where it is not a video or sound file, OSError as the system says.
    """
    with open_input(path) as container:
        streams = [_stream(stream) for stream in container.streams]
        told: dict[str, Any] = {
            "file": path, "format": container.format.name, "nbytes": os.path.getsize(path),
            "seconds": (container.duration or 0) / 1_000_000, "metadata": dict(container.metadata),
            "chapters": [_chapter(chapter) for chapter in container.chapters()], "streams": streams,
        }  # fmt: skip
        moving = [stream for stream in container.streams.video if not is_cover(stream)]
        try:
            video = main_video(container)
        except ItemError as error:
            told["warnings"] = [str(error)]
        else:
            told["video"], told["frames"] = _video(container, video)
            told["warnings"] = list(_warnings(told, len(moving)))
    return told


def _stream(stream: Any) -> dict[str, Any]:
    codec = stream.codec_context
    told = {
        "index": stream.index, "type": stream.type, "codec": getattr(codec, "name", "") or "",
        "language": stream.language, "metadata": dict(stream.metadata),
    }  # fmt: skip
    if stream.type == "video" and codec is not None:
        told |= {"width": codec.width, "height": codec.height, "cover": is_cover(stream)}
    if stream.type == "audio" and codec is not None:
        told |= {"sample_rate": codec.sample_rate, "channels": codec.channels}
    if stream.start_time is not None and stream.time_base:
        told["start_s"] = float(stream.start_time * stream.time_base)
    return told


def _chapter(chapter: Any) -> dict[str, Any]:
    base = Fraction(chapter["time_base"])
    return {
        "start_s": float(chapter["start"] * base), "end_s": float(chapter["end"] * base),
        "title": chapter["metadata"].get("title", ""),
    }  # fmt: skip


def _video(container: Any, stream: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    codec, base = stream.codec_context, Fraction(stream.time_base)
    began = origin(container, stream)
    shown, hidden = _packets(container, stream)
    first = _first_frame(container, stream)
    spec = spec_of(first or codec, stream)
    stamps = sorted(packet.pts for packet in shown if packet.pts is not None)
    deltas = Counter(after - before for before, after in pairwise(stamps))
    keys = [number for number, packet in enumerate(shown) if packet.key]
    told = {
        "index": stream.index, "codec": codec.name, "profile": codec.profile, "pixel_format": codec.format.name,
        "bits": max(part.bits for part in codec.format.components), "width": spec.width, "height": spec.height,
        "sar": f"{spec.sar[0]}:{spec.sar[1]}", "orientation": orientation(first) if first is not None else 1,
        "interlaced": bool(first is not None and first.interlaced_frame),
        "colour": {"matrix": spec.matrix, "primaries": spec.primaries, "transfer": spec.transfer, "range": spec.range},
        "untagged": _untagged(first or codec), "time_base": str(base), "start_s": float(began),
        "frame_count": len(shown), "frames_hidden": hidden, "frame_count_said": stream.frames,
        "average_rate": str(stream.average_rate) if stream.average_rate else None,
        "variable_rate": _varies(deltas, base),
        "distances_s": [[float(delta * base), count] for delta, count in deltas.most_common(DELTAS)],
        "key_frames": len(keys), "longest_key_distance": max(
            (after - before for before, after in zip(keys, [*keys[1:], len(shown)], strict=True)), default=0
        ),
        "unstamped": len(shown) - len(stamps), "repeated": deltas.get(0, 0),
        "until_s": float(stamps[-1] * base) if stamps else None,
        "seconds_said": float(stream.duration * base) if stream.duration else None,
    }  # fmt: skip
    frames = [
        {
            "index": number, "pts": packet.pts, "key": packet.key, "nbytes": packet.nbytes,
            "seconds": None if packet.pts is None else float(packet.pts * base - began),
        }
        for number, packet in enumerate(shown)
    ]  # fmt: skip
    return told, frames


def _varies(deltas: Counter[int], base: Fraction) -> bool:
    """Whether frames are unevenly apart, by more than rounding to milliseconds or to units makes."""
    return bool(deltas) and (max(deltas) - min(deltas)) * base > max(base, Fraction(1, 1000))


def _packets(container: Any, stream: Any) -> tuple[list[Shown], int]:
    """The packets of frames that are shown, in the order of their time, and how many an edit list hides."""
    errors = load_ffmpeg("probe").error
    shown, hidden = [], 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except errors.InvalidDataError:
            break
        except errors.FFmpegError as error:
            raise refused(error) from error
        if packet is None:
            break
        if packet.size and packet.is_discard:
            hidden += 1
        elif packet.size:
            shown.append(Shown(packet.pts, packet.is_keyframe, packet.size))
    if all(packet.pts is not None for packet in shown):
        shown.sort(key=lambda packet: packet.pts or 0)
    return shown, hidden


def _first_frame(container: Any, stream: Any) -> Any:
    """The first frame: what rotation, colours and interlacing are really; None where it cannot be decoded."""
    try:
        container.seek(0)
        stream.codec_context.thread_count = 1
        return next(iter(container.decode(stream)), None)
    except load_ffmpeg("probe").error.FFmpegError:
        return None


def _untagged(picture: Any) -> list[str]:
    """Which colour tags are missing."""
    have = {
        "matrix": int(picture.colorspace) in MATRIX_CODES, "primaries": int(picture.color_primaries) in PRIMARIES_CODES,
        "transfer": int(picture.color_trc) in TRANSFER_CODES, "range": int(picture.color_range) in RANGE_CODES,
    }  # fmt: skip
    return [name for name, known in have.items() if not known]


def _warnings(told: dict[str, Any], moving: int) -> Iterator[str]:
    """What a user of the file should know before counting on it."""
    video = told["video"]
    colour, said, until = video["colour"], video["seconds_said"], video["until_s"]
    hdr = colour["transfer"] in ("pq", "hlg")
    short = said is not None and until is not None and said - until + video["start_s"] > max(1.0, said / 50)
    table = (
        (video["variable_rate"], "variable frame rate: counting frames does not tell the time"),
        (video["unstamped"], f"{video['unstamped']} frames have no time stamp; the frame rate is used for them"),
        (video["repeated"], f"{video['repeated']} frames have the time stamp of the one before"),
        (video["frames_hidden"], f"an edit list hides {video['frames_hidden']} frames"),
        (video["orientation"] != 1, f"turned: to be shown in EXIF orientation {video['orientation']}"),
        (video["sar"] != "1:1", f"pixels are not square ({video['sar']})"),
        (video["interlaced"], "interlaced: each frame holds two fields of different times"),
        (hdr, f"HDR ({colour['transfer'].upper()}), {video['bits']} bits"),
        (video["bits"] > 8 and not hdr, f"{video['bits']} bits a sample"),
        (
            video["untagged"],
            f"colours are not tagged ({', '.join(video['untagged'])}): taken as matrix {colour['matrix']}, primaries"
            f" {colour['primaries']}, transfer {colour['transfer']}, {colour['range']} range",
        ),
        (video["height"] % 2 or video["width"] % 2, "odd size: encoders of 4:2:0 want even sides"),
        (video["start_s"] > 0, f"begins at {video['start_s']:.3f} s of its own clock"),
        (moving > 1, f"{moving} video streams: number {video['index']} is the one that is read"),
        (short, f"its last frame is at {until} s and its header says {said} s: it may be truncated"),
    )
    return (text for holds, text in table if holds)
