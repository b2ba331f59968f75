"""The films that the video works read: a pan over a picture with texture at every scale, made once and kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

RATE = 25
SEED = 7


def film(cache: Path, *, height: int, width: int, frames: int) -> Path:
    """An H.264 film of this size (crf 20, preset medium, no sound); made anew only where it is missing."""
    path = cache / "films" / f"pan-{width}x{height}-{frames}.mp4"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.mp4")
    picture = _picture(height + 400, width + 600)
    with av.open(str(part), "w") as container:
        stream = container.add_stream(
            "libx264", rate=RATE, width=width, height=height, pix_fmt="yuv420p", options={"crf": "20", "g": "100"}
        )
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        for number in range(frames):
            shot = av.VideoFrame.from_ndarray(_shot(picture, number, height, width), format="rgb24")
            container.mux(stream.encode(shot))
        container.mux(stream.encode(None))
    part.rename(path)
    return path


def longer(film: Path, times: int) -> Path:
    """The same film `times` times over, packet by packet."""
    path = film.with_name(f"{film.stem}-x{times}.mp4")
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as target:
        stream = None
        for turn in range(times):
            with av.open(str(film)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                shift = turn * round(video.frames / Fraction(RATE) / video.time_base)
                for packet in source.demux(video):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        target.mux(packet)
    part.rename(path)
    return path


def frames_of(path: Path) -> int:
    """How many frames a film has, by its packets."""
    with av.open(str(path)) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


def _picture(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: noise of all sizes, the larger the stronger, as in photographs of nature."""
    chance = np.random.default_rng(SEED)
    picture = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 9):
        side = 1 << octave
        grain = chance.standard_normal((height // side + 2, width // side + 2, 3), np.float32)
        picture += cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC) * 2 ** (octave / 2)
    return np.clip(128 + 40 * picture / picture.std(), 0, 255).astype(np.uint8)


def _shot(picture: np.ndarray, number: int, height: int, width: int) -> np.ndarray:
    top = 200 + round(180 * np.sin(number / 61))
    left = 300 + round(280 * np.sin(number / 97))
    shot = picture[top : top + height, left : left + width].copy()
    radius = height // 6
    x = int(width / 2 + width / 3 * np.cos(number / 23))
    cv2.circle(shot, (x, height // 2), radius, (200, 40, 60), -1)  # something that moves against the ground
    return shot
