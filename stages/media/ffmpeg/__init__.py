"""PyAV as stages use it: loaded quietly, its errors and names as ours. Nothing here knows a plan or a process.

loading  the library and its errors
tags     code points of colour
pixels   FFmpeg's frames to arrays of a Spec, and back
timing   which frames, by exact time; pure
files    opened for reading; the main video and its beginning
copies   sound, subtitles, metadata handed on
verify   an output against what was put into it
probe    what a file holds
"""

from __future__ import annotations

from stages.media.ffmpeg.copies import Copies, Track
from stages.media.ffmpeg.files import main_video, open_input, origin
from stages.media.ffmpeg.loading import load_ffmpeg, refused
from stages.media.ffmpeg.pixels import FORMATS, Importer, Layout, display_matrix, spec_of, video_frame
from stages.media.ffmpeg.probe import probe
from stages.media.ffmpeg.tags import tags_of
from stages.media.ffmpeg.timing import Shot, Stamps, Window, at_rate, each, frame_rate, seconds, spread
from stages.media.ffmpeg.verify import Expected, check

__all__ = [
    "FORMATS", "Copies", "Expected", "Importer", "Layout", "Shot", "Stamps", "Track", "Window", "at_rate", "check",
    "display_matrix", "each", "frame_rate", "load_ffmpeg", "main_video", "open_input", "origin", "probe", "refused",
    "seconds", "spec_of", "spread", "tags_of", "video_frame",
]  # fmt: skip
