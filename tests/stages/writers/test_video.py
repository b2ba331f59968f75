"""The writer of video: what encoders take, memory used again, odd sizes, another try, a full disk."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import av
import pytest
from films import FAST, job, reasons, see
from harness import FILM, counts, plan_of, tree

from pipeline.errors import Exit
from pipeline.plan.chain import StageError
from pipeline.supervisor import execution, serial

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("odd", "size"), [("pad", (162, 98)), ("crop", (160, 96))])
def test_odd_sizes(gallery: Path, tmp_path: Path, odd: str, size: tuple[int, int]) -> None:
    """161x97, which x264 refuses: padded or cropped to even sides, every frame there."""
    assert counts(job(tmp_path, gallery / "odd.mkv", writer={"odd": odd})) == {"done": 1}
    output = see(tmp_path / "out/odd.mp4")
    assert output.ids == list(range(30))
    assert output.size == size


def test_finer_chroma_is_not_made_up(gallery: Path, tmp_path: Path) -> None:
    """4:2:0 does not become 4:4:4 by itself; with rgb in between it does, and an odd size may stay."""
    report = job(tmp_path, gallery / "odd.mkv", writer={"subsampling": "444"})
    assert counts(report) == {"failed": 1}
    assert "put rgb before" in reasons(report)
    assert counts(job(tmp_path, gallery / "odd.mkv", steps=[["rgb"]], writer={"subsampling": "444"})) == {"done": 1}
    output = see(tmp_path / "out/odd.mp4")
    assert (output.size, output.format) == ((161, 97), "yuv444p")


def test_a_disk_that_is_full_late(gallery: Path, tmp_path: Path) -> None:
    """A limit on file size in the middle of the film: an error, no output, no temporary file, no process."""
    plan = plan_of(
        tmp_path, {"use": "video", "path": str(gallery / "walk.mp4")}, [],
        {"use": FILM, "path": f"{tmp_path}/out/{{stem}}.mp4", **FAST, "file_nbytes": 16384}, queues={"memory": "64MiB"},
    )  # fmt: skip
    report = execution.run(plan)
    assert counts(report) in ({"failed": 1}, {"cancelled": 1})
    assert "file too large" in reasons(report)
    assert report.exit_code in (Exit.STOPPED, Exit.ENVIRONMENT, Exit.SOME_FAILED)
    assert not tree(tmp_path / "out")


def test_what_the_encoder_does_not_take(gallery: Path, tmp_path: Path) -> None:
    """A misspelt option and a wrong value are errors, and an extension that is no container."""
    for options, said in (({"tnue": "film"}, "no option 'tnue'"), ({"bf": "abc"}, "does not open with these settings")):
        report = job(tmp_path, gallery / "cover.mp4", writer={"options": options})
        assert counts(report) == {"failed": 1}
        assert said in reasons(report)
    (tmp_path / "film.flv").write_bytes((gallery / "cover.mp4").read_bytes())
    report = job(tmp_path, tmp_path / "film.flv", ext="{ext}", in_process=True)
    assert counts(report) == {"failed": 1}
    assert ".flv does not hold h264" in reasons(report)
    assert not tree(tmp_path / "out")


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "ffv1"])
def test_memory_that_is_used_again_at_once(gallery: Path, tmp_path: Path, codec: str) -> None:
    """With room for few frames only, each region is written over while the encoder works: every id is right."""
    presets: dict[str, Any] = {"h264": "medium", "hevc": "ultrafast", "av1": 12, "vp9": 8, "ffv1": None}
    writer = {"codec": codec, "preset": presets[codec], "crf": None if codec == "ffv1" else 20, "threads": 2}
    report = job(
        tmp_path, gallery / "cover.mp4", steps=[["identity"]], writer=writer, ext="mkv", queues={"memory": "64KiB"}
    )
    assert counts(report) == {"done": 1}, reasons(report)
    assert report.peak_memory["arena_nbytes"] <= 320 << 10, "1.4 MB of frames went through it"
    assert see(tmp_path / "out/cover.mkv").ids == list(range(60))


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_workers_change_nothing(gallery: Path, tmp_path: Path, codec: str) -> None:
    """One, four and no transform workers: the same file, byte for byte."""
    steps = [{"stages": ["rgb", {"blur": {"sigma": 1}}]}]
    writer = {"codec": codec, "preset": None if codec == "ffv1" else "ultrafast", "crf": None}
    files = set()
    for workers in (1, 4, 0):
        shape = [{**steps[0], "workers": workers or 1}]
        report = job(
            tmp_path, gallery / "late_sound.mkv", steps=shape, writer=writer, ext="mkv", in_process=not workers
        )
        assert counts(report) == {"done": 1}, reasons(report)
        files |= set(packets(tmp_path / "out/late_sound.mkv"))
    assert len(files) == 1


def packets(path: Path) -> list[tuple[Any, ...]]:
    """All packets of a file, as one value; the muxer's own headers hold random numbers."""
    with av.open(str(path)) as container:
        return [tuple((p.stream_index, p.pts, p.dts, bytes(p)) for p in container.demux() if p.size)]


def test_a_film_that_is_tried_again_in_the_same_process(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer has half of it already, of the first try: it starts over."""
    plan = plan_of(
        tmp_path, {"use": "video", "path": str(gallery / "walk.mp4"), "threads": 1}, [],
        {"use": "video", "path": f"{tmp_path}/out/{{stem}}.mp4", **FAST, "verify": True}, fuse="all",
    )  # fmt: skip
    flag = tmp_path / "struck"
    from stages.media.ffmpeg import decoding

    real = decoding.Decoding.parts

    def once(self: Any) -> Any:
        for number, part in enumerate(real(self)):
            if number == 30 and not flag.exists():
                flag.touch()
                raise OSError(errno.EAGAIN, "for a moment")
            yield part

    monkeypatch.setattr(decoding.Decoding, "parts", once)
    whole = serial.SerialRun(plan).whole
    item, target = next(iter(whole.reader.discover())), f"{tmp_path}/out/walk.mp4"
    whole.open()
    with pytest.raises(StageError, match="for a moment"):
        whole.carry_out(item, target)
    assert whole.carry_out(item, target).frames == 60
    whole.output.close()
    assert see(target).ids == list(range(60))
