"""Files of video and sound: opened for reading, and what in them people would call the video and its beginning."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from pipeline.errors import ItemError
from stages.media.ffmpeg.library import load_ffmpeg, refused

PRIMING_S = Fraction(1, 10)
ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC


def open_input(path: str) -> Any:
    """A container to read from; local files only, whatever they or their name say.

    Raises ItemError where it is not a video file, OSError as the system says.
    """
    av = load_ffmpeg("video")
    try:
        # "file:" so that a name such as `concat:a` is a name; the list keeps a playlist from fetching over the network.
        return av.open("file:" + path, container_options={"protocol_whitelist": "file,crypto,data"})
    except av.error.FFmpegError as error:
        if isinstance(error, av.error.InvalidDataError):
            raise ItemError(
                "is not a video or sound file that FFmpeg knows, or its header or index is missing or damaged"
            ) from error
        raise refused(error) from error


def main_video(container: Any) -> Any:
    """The video stream that people would call the video: not a cover picture; FFmpeg's choice among several.

    Raises ItemError where there is none.
    """
    moving = [stream for stream in container.streams.video if not is_cover(stream)]
    if not moving:
        held = (
            "only a cover picture" if container.streams.video else "sound only" if container.streams.audio else "none"
        )
        raise ItemError("has no video stream", limit=f"it holds {held}")
    best = container.streams.best("video")
    chosen = best if best in moving else moving[0]
    if chosen.codec_context is None or chosen.codec_context.format is None:
        raise ItemError("has a video stream of a codec that FFmpeg does not know, or whose header is damaged")
    return chosen


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a picture that belongs to the file, and not a video."""
    return bool(stream.disposition.value & ATTACHED_PICTURE)


def origin(container: Any, video: Any) -> Fraction:
    """The time, in seconds of the file's own clock, that people call its beginning.

    That of the stream that begins first, as a whole number of the video's units; 0 where that lies before 0 by no more
    than the priming of an encoder of sound, which is not played.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in (video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base
    ]
    first = min(starts, default=Fraction(0))
    if -PRIMING_S <= first <= 0:
        return Fraction(0)
    return Fraction(math.floor(first / video.time_base)) * Fraction(video.time_base)
