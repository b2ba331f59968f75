"""Colours of films: tags, 10 bits and HDR survive or the film fails, never in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import clips, job, made, reasons, see
from harness import ROOT, counts, plan_of, tree

from pipeline import registry
from pipeline.supervisor import execution

HALF = [["orient", {"resize": {"width": 80, "kernel": "area"}}]]


@pytest.mark.parametrize("name", ["bt601_full.mp4", "bt709_limited.mp4"])
@pytest.mark.parametrize("through", ["planes", "rgb"])
def test_colours_and_tags_survive(gallery: Path, tmp_path: Path, name: str, through: str) -> None:
    """Decoded by FFmpeg with its own tags the output is within 2 levels of the source on average; red is red."""
    steps = [] if through == "planes" else [[{"adjust": {"brightness": 1.0}}, "rgb"]]
    assert counts(job(tmp_path, gallery / name, steps=steps, writer={"crf": 1})) == {"done": 1}
    source, output = see(gallery / name), see(tmp_path / "out" / name)
    assert output.tags == (source.tags if through == "planes" else (*source.tags[:3], 1))
    assert np.abs(output.first.astype(int) - source.first).mean() <= 2
    rows, columns = clips.marker_box(320, 180)
    red = output.first[rows, columns][4:-4, 4:-4].mean(axis=(0, 1))
    assert red[0] - red[2] >= 150


def test_files_without_tags_get_them(tmp_path: Path) -> None:
    """As height lets expect, and always written: BT.601 for SD, BT.709 from 720 lines on, limited range."""
    for height, tags in ((96, (6, 6, 6, 1)), (576, (5, 5, 6, 1)), (720, (1, 1, 1, 1))):
        clip = clips.Clip(f"h{height}.mp4", 160, height, 3, matrix=2, primaries=2, transfer=2, range=0)
        job(tmp_path, made(tmp_path, clip))
        assert see(tmp_path / f"out/h{height}.mp4").tags == tags


def test_ten_bits_and_hdr_are_kept(gallery: Path, tmp_path: Path) -> None:
    """Through a resize to HEVC, AV1 and FFV1: 10 bits, tags 9/9/16 as they were."""
    for codec in ("hevc", "av1", "ffv1"):
        writer = {"codec": codec, "preset": {"hevc": "ultrafast", "av1": 12}.get(codec), "crf": None}
        report = job(tmp_path, gallery / "deep.mkv", steps=HALF, writer=writer, ext="mkv")
        assert counts(report) == {"done": 1}, reasons(report)
        output = see(tmp_path / "out/deep.mkv")
        assert output.format == "yuv420p10le"
        assert output.tags == (9, 9, 16, 1)
        assert output.ids == list(range(25))


@pytest.mark.parametrize(
    ("steps", "writer", "reason", "remedy"),
    [
        ([[{"sharpen": {}}], ["rgb", {"convert": {"dtype": "uint8"}}]], {}, "HDR (PQ) in 8 bits", "tone_map"),
        ([["rgb", "grayscale"]], {"depth": "8"}, "HDR (PQ) in 8 bits", "tone_map"),
        ([[{"denoise": {"method": "nlmeans"}}]], {}, "wants dtype uint8, got uint16", "convert"),
        ([], {"use": "files", "path": "{out}/{stem}_{index}.jpg"}, "HDR video (PQ)", "hdr: keep"),
    ],
)  # fmt: skip
def test_ten_bits_are_never_cut_in_silence(
    gallery: Path, tmp_path: Path, steps: Any, writer: dict[str, Any], reason: str, remedy: str
) -> None:
    """Where a stage takes 8 bits only, the item fails with what to do about it."""
    if "use" in writer:
        path = writer["path"].replace("{out}", str(tmp_path / "out"))
        plan = plan_of(tmp_path, {"use": "video", "path": str(gallery / "deep.mkv")}, steps, {**writer, "path": path},
                       queues={"memory": "64MiB"})  # fmt: skip
        report = execution.run(plan)
    else:
        report = job(tmp_path, gallery / "deep.mkv", steps=steps, writer=writer, ext="mkv")
    assert counts(report) == {"failed": 1}
    assert reason in reasons(report)
    assert remedy in reasons(report)
    assert not tree(tmp_path / "out")


@pytest.mark.parametrize("codec", ["libx265", "ffv1"])
def test_gray_of_limited_range(tmp_path: Path, codec: str) -> None:
    """HEVC without chroma has black at 16: black and white come out as such, in films and in pictures."""
    path = tmp_path / "gray.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=160, height=96, pix_fmt="gray")
        stream.codec_context.thread_count = 1
        stream.codec_context.color_range = 1
        picture = av.VideoFrame(160, 96, "gray")
        levels = np.frombuffer(picture.planes[0], np.uint8).reshape(96, -1)
        levels[:, :80], levels[:, 80:] = 16, 235
        picture.color_range = 1
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert counts(job(tmp_path, path, writer={"crf": 1})) == {"done": 1}
    first = see(tmp_path / "out/gray.mp4").first
    assert first is not None
    assert first[40, 20].max() <= 3
    assert first[40, 140].min() >= 252


@pytest.mark.parametrize("name", sorted(set(registry.names("transform")) - {"tile"}))  # which the plan refuses here
def test_every_transform_works_on_frames_of_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With its example parameters, in the chain of a film: all frames come, or it says that it left the film out."""
    path = made(tmp_path, clips.Clip("film.mp4", 320, 180, 4))
    example = dict(registry.load(registry.resolve("transform", name)).example)
    monkeypatch.chdir(ROOT)  # one of them names a picture of the samples
    report = job(tmp_path, path, steps=[[{name: example} if example else name]], in_process=True)
    if name.startswith("filter_"):
        assert report.ledger.done + report.ledger.skipped == 1, reasons(report)
    else:
        assert counts(report) == {"done": 1}, reasons(report)
        assert len(see(tmp_path / "out/film.mp4").ids) == 4
