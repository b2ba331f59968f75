"""Time stamps of films: each frame keeps its time, and none is lost."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from films import clips, job, reasons, see
from harness import counts

HALF = [["orient", {"resize": {"width": 80, "kernel": "area"}}]]


@pytest.mark.parametrize("ext", ["mp4", "mkv", "mov"])
def test_a_variable_frame_rate_stays_as_it_is(gallery: Path, tmp_path: Path, ext: str) -> None:
    """60 frames with steps of 1/60 to 1/10 s: every time stamp equal (mkv: to its millisecond), ids 0..59 in order."""
    assert counts(job(tmp_path, gallery / "vfr.mp4", steps=HALF, ext=ext)) == {"done": 1}
    source, output = see(gallery / "vfr.mp4"), see(tmp_path / f"out/vfr.{ext}")
    assert output.ids == source.ids == list(range(60))
    near = Fraction(1, 2000) if ext == "mkv" else 0
    assert all(abs(have - want) <= near for have, want in zip(output.times, source.times, strict=True))


def test_the_last_frames_are_not_lost(gallery: Path, tmp_path: Path) -> None:
    """Those that the decoder gives when flushed, and those that an encoder holds for 40 frames of lookahead."""
    writer = {"preset": "medium", "options": {"rc-lookahead": "40", "bf": "3"}}
    assert counts(job(tmp_path, gallery / "walk.mp4", writer=writer)) == {"done": 1}
    assert see(tmp_path / "out/walk.mp4").ids == list(range(60))


def test_packets_of_the_output_are_in_order(gallery: Path, tmp_path: Path) -> None:
    """DTS strictly grow, and none is after its PTS, in 100 % of the packets."""
    report = job(tmp_path, gallery / "vfr.mp4", writer={"preset": "medium", "options": {"bf": "3"}})
    assert counts(report) == {"done": 1}, reasons(report)
    with av.open(str(tmp_path / "out/vfr.mp4")) as container:
        stamps = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert len(stamps) == 60
    assert all(before[0] < after[0] for before, after in pairwise(stamps))
    assert all(dts <= pts for dts, pts in stamps)


def test_an_open_group_of_pictures_loses_nothing(gallery: Path, tmp_path: Path) -> None:
    """60 of 60 frames of x265 with open GOPs; MKV, whose header says 0 frames."""
    assert counts(job(tmp_path, gallery / "open_gop.mkv")) == {"done": 1}
    assert see(tmp_path / "out/open_gop.mp4").ids == list(range(60))


def test_a_start_that_is_not_zero(gallery: Path, tmp_path: Path) -> None:
    """MPEG-TS from 127995 ticks: relative times equal; `keep_start` keeps the absolute ones."""
    source = see(gallery / "start.ts")
    assert source.times[0] == Fraction(127995, 90000)
    assert counts(job(tmp_path, gallery / "start.ts")) == {"done": 1}
    output = see(tmp_path / "out/start.mp4")
    assert output.relative == source.relative
    assert output.ids == list(range(60))
    assert 0 <= output.times[0] < Fraction(1, 20)
    job(tmp_path, gallery / "start.ts", writer={"keep_start": True})
    assert see(tmp_path / "out/start.mp4").times == source.times


def test_an_edit_list_hides_what_it_hides(tmp_path: Path) -> None:
    """A file whose first five frames are before its start: 25 of 30 packets are shown, and 25 frames come."""
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w", container_options={"avoid_negative_ts": "disabled"}) as container:
        clip = clips.Clip("cut.mp4", 160, 96, 30)
        stream = clips._add_video(container, clip)
        stream.codec_context.max_b_frames = 0
        for index, pts in enumerate(clips.times(clip)):
            frame = clips.to_frame(clips.stored(clip, index), clip)
            frame.pts, frame.time_base = pts - 5 * 512, clip.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = see(path)
    assert shown.ids == list(range(5, 30)), "the clip is what this test is about"
    assert counts(job(tmp_path, path)) == {"done": 1}
    output = see(tmp_path / "out/cut.mp4")
    assert output.ids == list(range(5, 30))
    assert output.times == shown.times


def test_no_time_stamps_at_all(gallery: Path, tmp_path: Path) -> None:
    """A bare H.264 stream: times are made from its frame rate, all 60 frames come, and the report says so."""
    clips.annexb(gallery / "walk.mp4", tmp_path / "bare.h264")
    report = job(tmp_path, tmp_path / "bare.h264")
    assert counts(report) == {"done": 1}
    output = see(tmp_path / "out/bare.mp4")
    assert output.ids == list(range(60))
    assert {after - before for before, after in pairwise(output.times)} == {Fraction(1, 25)}
