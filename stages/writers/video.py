"""Writes one video for each stream of frames, with its exact time stamps and the sound of its source (PyAV)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from pipeline import Frame, Health, Item, ItemError, Template, UsageError, WriteContext, Writer
from stages.media import ffmpeg

SVT_LOG = "SVT_LOG"  # the variable by which SVT-AV1 is told how much to say


@dataclass(frozen=True)
class VideoFile(Writer):
    """One video file for each item; frames keep their time stamps, and with them a variable frame rate.

    Takes YUV and gray frames of one Spec (the plan puts `yuv` before it). Colour tags, aspect and range are always
    written. Sound and subtitles are copied from the source, packet by packet; what the container cannot hold is left
    out, and the report says so. The file is written beside its target and renamed when it is whole.
    """

    path: str = field(
        metadata={
            "pixels": False,
            "doc": "path of the outputs; {dir} {stem} {ext} {name} are filled in, the extension names the container",
        }
    )
    codec: Literal["h264", "hevc", "h265", "av1", "vp9", "ffv1"] = field(
        default="h264", metadata={"doc": "x264, x265 (h265 is hevc), SVT-AV1, libvpx, or the lossless FFV1 (in .mkv)"}
    )
    crf: int | None = field(
        default=None,
        metadata={"ge": 0, "le": 63, "doc": "constant quality, less is better; null is 23, 28, 35, 32 by codec"},
    )
    preset: str | int | None = field(
        default=None,
        metadata={"doc": "speed: ultrafast to placebo (h264, hevc; null is medium), 0 to 13 (av1; 8), 0 to 8 (vp9; 4)"},
    )
    subsampling: Literal["auto", "420", "422", "444", "keep"] = field(
        default="auto", metadata={"doc": "chroma; auto is 420, which every player takes, and keep for ffv1"}
    )
    depth: Literal["keep", "8"] = field(default="keep", metadata={"doc": "keep 10 bits and more, or round them to 8"})
    odd: Literal["pad", "crop"] = field(
        default="pad", metadata={"doc": "odd sides: repeat the last row or column, or cut it off"}
    )
    sound: Literal["copy", "drop"] = field(default="copy", metadata={"doc": "sound tracks of the source"})
    subtitles: Literal["copy", "drop"] = field(default="copy", metadata={"doc": "subtitle tracks of the source"})
    metadata: Literal["keep", "drop"] = field(
        default="keep", metadata={"doc": "title and other texts, chapters, cover and attachments of the source"}
    )
    keep_start: bool = field(
        default=False, metadata={"doc": "keep the clock of the source; else the output begins at 0"}
    )
    verify: bool = field(
        default=False,
        metadata={"doc": "read the output once more and compare frames, time stamps, sound, duration and tags"},
    )
    threads: int | None = field(
        default=None, metadata={"pixels": False, "ge": 1, "le": 128, "doc": "of the encoder; null is one a core"}
    )
    options: dict[str, str | int | float] = field(
        default_factory=dict, metadata={"doc": "further options of the encoder by FFmpeg's names, such as {tune: film}"}
    )

    ordered: ClassVar[bool] = True
    joins: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "out/{dir}/{stem}.mp4", "crf": 23, "preset": "veryfast"}
    icc: ClassVar[str] = "srgb"  # video has no place for a profile

    def __post_init__(self) -> None:
        encoder, template = self.encoder, Template(self.path)
        extension = template.format
        muxer = ffmpeg.MUXERS.get(extension)
        if not template.known_at_intake:
            raise UsageError("path of a video depends on a single frame", limit="{dir} {stem} {ext} {name} do not")
        if not extension and not self.path.endswith("{ext}"):
            raise UsageError("path names no container", remedy="end it in an extension such as .mp4")
        if extension and muxer not in encoder.muxers:
            what = f"path ends in .{extension}, which does not hold {self.codec}"
            raise UsageError(what, remedy=f"use {encoder.extensions}")
        if self.crf is not None and (encoder.crf is None or self.crf > encoder.most):
            limit = "it is lossless" if encoder.crf is None else f"at most {encoder.most}"
            raise UsageError(f"{self.codec} has no crf {self.crf}", limit=limit)
        if self.preset is not None and str(self.preset) not in encoder.presets:
            known = ", ".join(encoder.presets) or "it has none"
            raise UsageError(f"{self.codec} has no preset {self.preset!r}", limit=known)

    @classmethod
    def health(cls) -> Health | None:
        """Which of the encoders that are offered this build of FFmpeg has."""
        av = ffmpeg.load_ffmpeg("video")
        libraries = {name: encoder.library for name, encoder in ffmpeg.ENCODERS.items() if name != "h265"}
        have = [name for name, library in libraries.items() if library in av.codecs_available]
        lacks = [name for name in libraries if name not in have]
        says = f"FFmpeg in PyAV {av.__version__} encodes {', '.join(have)}"
        if not lacks:
            return Health(says)
        return Health(f"{says}, not {', '.join(lacks)}", lacks=True, remedy="install av from a wheel of PyPI")

    @property
    def encoder(self) -> ffmpeg.Encoder:
        return ffmpeg.ENCODERS[self.codec]

    @property
    def yuv(self) -> Mapping[str, Any]:
        """What the stage `yuv` has to make of the frames."""
        usual = "keep" if self.codec == "ffv1" else "420"
        subsampling = usual if self.subsampling == "auto" else self.subsampling
        return {"subsampling": subsampling, "odd": self.odd, "depth": self.depth}

    @cached_property
    def _settings(self) -> ffmpeg.MuxSettings:
        copied = {"audio": self.sound, "subtitle": self.subtitles}
        return ffmpeg.MuxSettings(
            self.encoder, self.crf, None if self.preset is None else str(self.preset), self.threads, self.options,
            copies=frozenset(kind for kind, policy in copied.items() if policy == "copy"),
            keeps_metadata=self.metadata == "keep", keep_start=self.keep_start, verify=self.verify,
            extension=self.destination().format,
        )  # fmt: skip

    def destination(self) -> Template:
        """The template of `path`."""
        return Template(self.path)

    def open(self) -> None:
        """Load FFmpeg; raises EnvironmentRefusal where PyAV is missing."""
        if self.codec == "av1" and SVT_LOG not in os.environ:
            os.environ[SVT_LOG] = "1"  # errors only: else it writes its banner to standard error
            self._set.append(SVT_LOG)
        ffmpeg.load_ffmpeg("video")

    def close(self) -> None:
        """Drop what is half written."""
        self._abandon()
        while self._set:
            os.environ.pop(self._set.pop(), None)

    def write(self, frame: Frame, context: WriteContext) -> int:
        """Encode one frame; 0, for the bytes are counted by `finish`.

        Raises ItemError for what the encoder or container does not take, OSError as the system says.
        """
        under_way = self._job[0] if self._job else None
        if under_way and (under_way.item.number != frame.item.number or under_way.frames > frame.index):
            self._abandon()  # the item before this one failed, or this one is tried again
        try:
            if not self._job:
                self._job.append(ffmpeg.Muxing(self._settings, frame, context))
            self._job[0].encode(frame)
        except ffmpeg.load_ffmpeg("video").error.FFmpegError as error:
            raise ffmpeg.refused(error) from error
        return 0

    def finish(self, item: Item, context: WriteContext) -> int:
        """Flush the encoder, close, verify and rename the file; its size in bytes. Raises as `write` does."""
        if not self._job:
            raise ItemError("no frame is left to write")
        try:
            return self._job[0].finish(context)
        except ffmpeg.load_ffmpeg("video").error.FFmpegError as error:
            raise ffmpeg.refused(error) from error
        finally:
            self._abandon()

    @cached_property
    def _set(self) -> list[str]:
        """Variables of the environment that `open` set."""
        return []

    @cached_property
    def _job(self) -> list[ffmpeg.Muxing]:
        """The file under way, at most one."""
        return []

    def _abandon(self) -> None:
        while self._job:
            self._job.pop().abandon()
