"""`pipeline probe`: what a file holds, and what to beware of."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from films import clips
from harness import cli

pytestmark = pytest.mark.slow
GALLERY = clips.GALLERY


def test_probe_tells_what_a_file_holds(gallery: Path) -> None:
    """Streams, frames by index, rate, rotation, shape, tags and what to beware of; a picture too."""
    from stages.media.ffmpeg.probe import probe

    vfr = probe(str(gallery / "vfr.mp4"))
    assert vfr["video"]["variable_rate"]
    assert [frame["pts"] for frame in vfr["frames"]] == list(clips.times(GALLERY["vfr.mp4"]))
    assert sum(frame["key"] for frame in vfr["frames"]) == vfr["video"]["key_frames"] == 2
    walk = probe(str(gallery / "walk.mp4"))
    assert not walk["video"]["variable_rate"]
    assert not walk["warnings"]
    assert [chapter["title"] for chapter in walk["chapters"]] == ["Out", "Back"]
    for name, warning in (
        ("turned.mp4", "turned"), ("anamorphic.mp4", "not square (2:3)"), ("deep.mkv", "HDR (PQ), 10 bits"),
        ("odd.mkv", "odd size"), ("start.ts", "begins at 1.4"), ("sound_only.m4a", "no video stream"),
    ):  # fmt: skip
        assert any(warning in said for said in probe(str(gallery / name))["warnings"]), name


def test_the_command_probe(gallery: Path, tmp_path: Path) -> None:
    """For people and as JSON; one bad file makes it 1 and does not hide the others."""
    (tmp_path / "text.mp4").write_text("no film")
    done = cli("probe", str(gallery / "walk.mp4"), str(tmp_path / "text.mp4"), "samples/photos/meadow_turned.jpg")
    assert done.returncode == 1
    assert "60 frames" in done.stdout
    assert "not a video or sound file that FFmpeg knows" in done.stdout
    assert "EXIF orientation" in done.stdout
    import json

    told = json.loads(cli("probe", "--json", "--frames", str(gallery / "walk.mp4")).stdout)
    assert [frame["index"] for frame in told["files"][0]["frames"]] == list(range(60))
    assert math.isclose(told["files"][0]["frames"][25]["seconds"], 1)


def test_what_a_file_says_does_no_harm_to_a_terminal(tmp_path: Path) -> None:
    """Names, titles and languages are shown as escapes."""
    import av

    path = tmp_path / "\x1b[2Jclip.mkv"
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        container.metadata["title"] = "\x1b]0;mine\x07"
        stream = container.add_stream("ffv1", rate=5)
        stream.width = stream.height = 16
        for packet in [*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)]:
            container.mux(packet)
    (tmp_path / "clip.mkv").rename(path)
    told = cli("probe", str(path)).stdout
    assert "clip.mkv" in told
    assert "mine" in told
    assert "\x1b" not in told
    assert "\x07" not in told
