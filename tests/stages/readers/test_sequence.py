"""Numbered pictures as a film: their order, sizes that differ, names of folders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from films import FAST, clips, reasons, see
from harness import counts, plan_of, tree

from pipeline.supervisor import execution

pytestmark = pytest.mark.slow


def test_folders_with_dots_in_their_names(tmp_path: Path) -> None:
    """Two days are two films: what follows the last dot of a folder is no extension."""
    for day in ("2024.05.01", "2024.05.02"):
        clips.stills(tmp_path / "in" / day, 3)
    reader = {"use": "sequence", "path": str(tmp_path / "in"), "fps": 6}
    writer = {"use": "video", "path": f"{tmp_path}/out/{{dir}}/{{stem}}.mp4", **FAST}
    report = execution.run(plan_of(tmp_path, reader, [], writer, queues={"memory": "64MiB"}))
    assert counts(report) == {"done": 2}
    assert sorted(tree(tmp_path / "out")) == ["2024.05.01.mp4", "2024.05.02.mp4"]


def test_pictures_become_a_video(tmp_path: Path) -> None:
    """shot2 before shot10, each shown for 1/6 s; one of another size fails the film by name, or is left out."""
    from PIL import Image

    clips.stills(tmp_path / "in")
    reader = {"use": "sequence", "path": str(tmp_path / "in"), "fps": 6}
    writer = {"use": "video", "path": f"{tmp_path}/out/{{stem}}.mp4", **FAST, "verify": True}
    top = {"queues": {"memory": "64MiB"}}
    assert counts(execution.run(plan_of(tmp_path, reader, [], writer, **top))) == {"done": 1}
    output = see(tmp_path / "out/in.mp4")
    assert output.ids == list(range(1, 13))
    assert output.times == [Fraction(number, 6) for number in range(12)]
    assert output.tags == (6, 1, 1, 1)
    Image.new("RGB", (64, 48)).save(tmp_path / "in/shot5.jpg")
    (tmp_path / "in/shot7.jpg").write_bytes(b"\xff\xd8\xff broken")
    report = execution.run(plan_of(tmp_path, reader, [], writer, **top))
    assert counts(report) == {"failed": 1}
    assert "'shot5.jpg': is 64x48 rgb uint8, and the first picture 320x180" in reasons(report)
    report = execution.run(plan_of(tmp_path, {**reader, "on_corrupt": "drop"}, [], writer, **top))
    assert counts(report) == {"done": 1}
    assert see(tmp_path / "out/in.mp4").ids == [1, 2, 3, 4, 6, 8, 9, 10, 11, 12]
