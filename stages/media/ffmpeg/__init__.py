"""PyAV as stages use it: loaded quietly, its errors and names as ours. Nothing here knows a plan or a process.

library   the library and its errors
tags      code points of colour
pixels    FFmpeg's frames to arrays of a Spec, and back
timing    which frames, by exact time; pure
inputs    opened for reading; the main video and its beginning
decoding  one file being read
encoders  those that are offered, and their options
muxing    one file being written
copies    sound, subtitles, metadata handed on
verify    an output against what was put into it
probe     what a file holds
"""

from __future__ import annotations

from stages.media.ffmpeg.decoding import Decoding, Wanted
from stages.media.ffmpeg.encoders import ENCODERS, MUXERS, Encoder
from stages.media.ffmpeg.inputs import main_video, open_input
from stages.media.ffmpeg.library import load_ffmpeg, refused
from stages.media.ffmpeg.muxing import Muxing, MuxSettings
from stages.media.ffmpeg.pixels import spec_of
from stages.media.ffmpeg.probe import probe
from stages.media.ffmpeg.timing import frame_rate, seconds

__all__ = [
    "ENCODERS", "MUXERS", "Decoding", "Encoder", "MuxSettings", "Muxing", "Wanted", "frame_rate", "load_ffmpeg",
    "main_video", "open_input", "probe", "refused", "seconds", "spec_of",
]  # fmt: skip
