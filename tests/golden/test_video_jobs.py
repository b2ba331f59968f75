"""Whole jobs on films: some that are none, some left out, several at once, films to pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from films import clips, job, made, reasons, see
from harness import counts, plan_of, tree

from pipeline.errors import Exit
from pipeline.supervisor import execution

HALF = [["orient", {"resize": {"width": 80, "kernel": "area"}}]]


def test_what_is_no_video_fails_and_the_others_are_done(gallery: Path, tmp_path: Path) -> None:
    """Nothing, text, a film cut before its index, sound only: each with its reason, exit 1, nothing half written."""
    folder = tmp_path / "in"
    good = made(folder, clips.Clip("good.mp4", 160, 96, 5))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no film\n" * 100)
    clips.truncate(gallery / "walk.mp4", folder / "cut.mp4", 0.5)
    (folder / "sound.mp4").write_bytes((gallery / "sound_only.m4a").read_bytes())
    report = job(tmp_path, folder)
    assert counts(report) == {"done": 1, "failed": 4}
    assert report.exit_code == Exit.SOME_FAILED
    text = reasons(report)
    assert text.count("not a video or sound file that FFmpeg knows") == 3
    assert "has no video stream" in text
    assert list(tree(tmp_path / "out")) == [good.name]


@pytest.mark.parametrize("in_process", [True, False])
def test_a_film_that_a_stage_leaves_out(gallery: Path, tmp_path: Path, in_process: bool) -> None:
    """Every frame is dropped on purpose: skipped with the reason, not failed, and no file."""
    steps = [[{"filter_size": {"min_width": 1000}}]]
    report = job(tmp_path, gallery / "walk.mp4", steps=steps, in_process=in_process)
    assert counts(report) == {"skipped": 1}
    assert report.exit_code == Exit.OK
    assert not tree(tmp_path / "out")


def test_a_video_becomes_pictures(gallery: Path, tmp_path: Path) -> None:
    """Each frame a file, named by index or time stamp, over several writers; turned ones upright."""
    plan = plan_of(
        tmp_path, {"use": "video", "path": str(gallery / "turned.mp4"), "every": 10}, [],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}_{{index}}_{{pts}}.png", "workers": 2},
        queues={"memory": "64MiB"},
    )  # fmt: skip
    assert not plan.streams
    assert counts(execution.run(plan)) == {"done": 1}
    from PIL import Image

    for index in range(3):
        with Image.open(tmp_path / f"out/turned_{index:06d}_{index * 10 * 512}.png") as picture:
            assert picture.size == (180, 320)
            assert clips.read_index(np.asarray(picture)) == index * 10
    assert len(tree(tmp_path / "out")) == 3


def test_four_clips_at_once_on_two_writers(gallery: Path, tmp_path: Path) -> None:
    """All done, all time stamps equal, and the arena stays within its budget."""
    folder = tmp_path / "in"
    names = ("walk.mp4", "vfr.mp4", "late_sound.mkv", "two_sounds.mkv")
    folder.mkdir()
    for name in names:
        os.link(gallery / name, folder / name)
    report = job(
        tmp_path, folder, reader={"workers": 4}, steps=[{"stages": HALF[0], "workers": 2}],
        writer={"workers": 2, "path": f"{tmp_path}/out/{{name}}.mp4"}, queues={"memory": "4MiB"},
    )  # fmt: skip
    assert counts(report) == {"done": 4}
    assert report.peak_memory["arena_nbytes"] <= (4 << 20) + (1 << 20), "4 MiB for frames, and the control blocks"
    for name in names:
        source, output = see(gallery / name), see(tmp_path / f"out/{name}.mp4")
        assert output.ids == source.ids
        assert output.relative == source.relative
