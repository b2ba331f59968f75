"""Clips that say their frame numbers, jobs on them, and what came of it; for tests of video."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
from harness import ROOT, Stages, plan_of

from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

FAST = {"crf": 18, "preset": "ultrafast", "threads": 1}


def _clips() -> ModuleType:
    """samples/make_clips.py as a module; samples/ is no package."""
    spec = importlib.util.spec_from_file_location("make_clips", ROOT / "samples/make_clips.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


clips = _clips()


@dataclass
class Seen:
    """A file as FFmpeg reads it, independently of the engine.

    times: of the frames, in seconds. ids: their numbers, read off their blocks. sounds: for each sound stream the
    time of each packet and the check sum of all payloads.
    """

    times: list[Fraction] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    first: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)
    format: str = ""
    tags: tuple[int, ...] = ()
    rotation: int = 0
    sar: Fraction | None = None
    base: Fraction = Fraction(1)
    sounds: list[tuple[list[Fraction], int]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    title: str = ""
    chapters: list[str] = field(default_factory=list)

    @property
    def relative(self) -> list[Fraction]:
        return [time - self.times[0] for time in self.times]


def see(path: Path | str) -> Seen:
    """Decode the main video of a file and read the packets of its sound."""
    seen = Seen()
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            rgb = frame.to_ndarray(format="rgb24")
            if seen.first is None:
                seen.first, seen.rotation = rgb, frame.rotation
            seen.times.append((frame.pts or 0) * Fraction(frame.time_base))
            seen.ids.append(clips.read_index(rgb))
        codec = stream.codec_context
        seen.size, seen.format, seen.base = (codec.width, codec.height), codec.format.name, Fraction(stream.time_base)
        seen.tags = tuple(map(int, (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range)))
        seen.sar = stream.sample_aspect_ratio
        seen.title = container.metadata.get("title", "")
        seen.chapters = [chapter["metadata"]["title"] for chapter in container.chapters()]
        seen.kinds = [s.type for s in container.streams]
    with av.open(str(path)) as container:
        sounds: dict[int, tuple[list[Fraction], list[int]]] = {s.index: ([], [0]) for s in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if sounds else ():
            if packet.size:
                times, crc = sounds[packet.stream.index]
                times.append(packet.pts * Fraction(packet.time_base))
                crc[0] = zlib.crc32(bytes(packet), crc[0])
        seen.sounds = [(times, crc[0]) for times, crc in sounds.values()]
    return seen


def made(folder: Path, clip: Any) -> Path:
    """A clip written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / clip.name
    clips.make(clip, path)
    return path


def job(
    folder: Path, source: Path, *, reader: dict[str, Any] | None = None, steps: Sequence[Stages] = (),
    writer: dict[str, Any] | None = None, ext: str = "mp4", in_process: bool = False, **top: Any,
) -> Report:  # fmt: skip
    """Run a video or a folder of videos to `folder`/out/{stem}.EXT, fast and nearly without loss."""
    plan = plan_of(
        folder,
        {"use": "video", "path": str(source), "threads": 1, **(reader or {})},
        steps,
        {"use": "video", "path": f"{folder}/out/{{stem}}.{ext}", **FAST, "verify": True, **(writer or {})},
        **{"queues": {"memory": "64MiB"}, **top},
    )
    return serial.run(plan) if in_process else execution.run(plan)


def remarks(report: Report) -> str:
    """All that was remarked, in one text."""
    return "\n".join(remark.text for remark in report.remarks)


def reasons(report: Report) -> str:
    """All reasons of failures, in one text."""
    return "\n".join(f"{failure.stage}: {failure.reason}" for failure in report.failures)
