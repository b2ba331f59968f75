"""Reads videos frame by frame, with the exact time stamps of the file, through FFmpeg (PyAV)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal

from pipeline import Codec, Item, Listing, Part, ReadContext, Spec, UsageError
from stages.media import ffmpeg

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
        metadata={
            "pixels": False,
            "doc": "globs below `path`, in any case of letters; ** is any folders, {a,b} is either",
        },
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
        default=None,
        metadata={"pixels": False, "ge": 1, "le": 64, "doc": "of the decoder; null is one a core, at most 8"},
    )

    planes: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "samples/clips", "start": "0.5s", "every": "1s"}

    def __post_init__(self) -> None:
        _ = self.begin_s, self.length_s, self.rate, self.step
        if self.every is not None and self.fps is not None:
            raise UsageError("every and fps cannot be used together", remedy="use one of them")

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

    @property
    def _wanted(self) -> ffmpeg.Wanted:
        return ffmpeg.Wanted(
            self.begin_s, self.length_s, self.rate, self.step, keys_only=self.every == "key", upright=self.autorotate,
            on_corrupt=self.on_corrupt, threads=self.threads,
        )  # fmt: skip

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
        decoding = ffmpeg.Decoding(item.source, self._wanted, context)
        try:
            count = 0
            for part in decoding.parts():
                yield part
                count += 1
            decoding.conclude(count)
        finally:
            decoding.container.close()
