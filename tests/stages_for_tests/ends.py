"""Readers and writers: harmful ones, one that the disk is too small for, one that keeps the order of its calls."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline import Frame, Item, Part, ReadContext, Template, WriteContext, Writer
from stages.readers.video import Video
from stages.writers.video import VideoFile

from .harm import strike
from .numbered import read_off


@dataclass(frozen=True)
class Projector(Video):
    """As the built-in reader `video`, with harm before a frame."""

    how: str = ""
    index: int = -1
    times: int = -1
    marker: str = ""

    def read(self, item: Item, context: ReadContext) -> Iterator[Part]:
        for index, part in enumerate(super().read(item, context)):
            if self.how and index == self.index:
                strike(self.how, f"{self.marker}.{index}", self.times)
            yield part


@dataclass(frozen=True)
class Film(VideoFile):
    """As the built-in `video`, with harm before a frame, or a limit on the size of files."""

    how: str = ""
    index: int = -1
    times: int = -1
    marker: str = ""
    file_nbytes: int = 0

    def open(self) -> None:
        super().open()
        if self.file_nbytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_nbytes, self.file_nbytes))

    def write(self, frame: Frame, context: WriteContext) -> int:
        if self.how and frame.index == self.index:
            strike(self.how, f"{self.marker}.{frame.index}", self.times)
        return super().write(frame, context)


@dataclass(frozen=True)
class Files(Writer):
    """As the built-in `files`, with harm before, within or after the write of given frames."""

    path: str
    quality: int = 85
    how: str = ""
    when: str = "before"
    at: list[int] = field(default_factory=list)
    index: int = 0
    times: int = -1
    marker: str = ""
    file_nbytes: int = 0

    encodes: ClassVar[bool] = True
    generic: ClassVar[tuple[str, ...]] = ("quality",)

    def open(self) -> None:
        if self.file_nbytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_nbytes, self.file_nbytes))

    def destination(self) -> Template:
        return Template(self.path)

    def write(self, frame: Frame, context: WriteContext) -> int:
        harm = bool(self.how) and frame.item.number in self.at and frame.index == self.index
        marker = f"{self.marker}.{frame.item.number}"
        if harm and self.when == "before":
            strike(self.how, marker, self.times)
        assert context.encoder is not None
        data = context.encoder.encode(frame)
        if harm and self.when == "within":
            self._tear(context, data, marker)
        written = context.save(data)
        if harm and self.when == "after":
            strike(self.how, marker, self.times)
        return written

    def _tear(self, context: WriteContext, data: bytes | memoryview, marker: str) -> None:
        """Half of the temporary file is written when the harm is done."""
        real = os.write

        def torn(fd: int, block: bytes | memoryview) -> int:
            real(fd, block[: len(block) // 2])
            os.write = real
            strike(self.how, marker, self.times)
            return real(fd, block[len(block) // 2 :]) + len(block) // 2

        os.write = torn  # type: ignore[assignment]
        context.save(data)
        os.write = real


@dataclass(frozen=True)
class Log(Writer):
    """Appends number and index of each frame to one file, in one write each."""

    log: str
    how: str = ""
    at: list[int] = field(default_factory=list)
    times: int = -1
    marker: str = ""

    def write(self, frame: Frame, context: WriteContext) -> int:
        number, index = read_off(frame.pixels)
        if self.how and number in self.at:
            strike(self.how, f"{self.marker}.{number}", self.times)
        return self._append(f"{number} {index}\n")

    def finish(self, item: Item, context: WriteContext) -> int:
        return self._append(f"{item.number} end\n")

    def _append(self, line: str) -> int:
        fd = os.open(self.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            return os.write(fd, line.encode())
        finally:
            os.close(fd)
