"""The reader of video: parts, rates, key frames, every container, damage."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from films import clips, job, reasons, remarks, see
from harness import cli, counts

pytestmark = pytest.mark.slow
GALLERY = clips.GALLERY
KEYS = (0, 25, 48)  # of walk.mp4


@pytest.mark.parametrize("rate", ["25", "30000/1001", "10"])
def test_a_constant_rate_is_made_when_asked_for(gallery: Path, tmp_path: Path, rate: str) -> None:
    """round(duration x fps) frames; each is the last of the source that is not after its time."""
    clip = GALLERY["vfr.mp4"]
    assert counts(job(tmp_path, gallery / clip.name, reader={"fps": rate})) == {"done": 1}
    output, fps = see(tmp_path / "out/vfr.mp4"), Fraction(rate)
    with av.open(str(gallery / clip.name)) as container:
        length = container.streams.video[0].duration * clip.time_base  # as the file says; the last step is the muxer's
    assert len(output.ids) == round(length * fps)
    times = [pts * clip.time_base for pts in clips.times(clip)]
    for number, (time, shown) in enumerate(zip(output.times, output.ids, strict=True)):
        assert time == number / fps
        assert shown == max(index for index, at in enumerate(times) if at <= number / fps)


@pytest.mark.parametrize(
    ("part", "ids"),
    [
        ({"start": "1s"}, range(25, 60)), ({"duration": "0.4s"}, range(10)), ({"every": 20}, (0, 20, 40)),
        ({"start": 1, "duration": "0:00:00.2"}, range(25, 30)), ({"every": "0.5s"}, (0, 12, 25, 37, 50)),
        ({"every": "key"}, KEYS), ({"start": "0.9s", "every": "1s"}, (22, 47)),
        ({"start": "0.9s", "fps": 5, "duration": "0.4s"}, (22, 27)),
    ],
)  # fmt: skip
def test_parts_of_a_video(gallery: Path, tmp_path: Path, part: dict[str, Any], ids: Any) -> None:
    """Exactly the frames of the part, each at its own time from the start of the part."""
    assert counts(job(tmp_path, gallery / "walk.mp4", reader=part)) == {"done": 1}
    output = see(tmp_path / "out/walk.mp4")
    assert output.ids == list(ids)
    begin = Fraction(str(part.get("start", 0)).removesuffix("s"))
    if "fps" in part:
        assert output.times == [Fraction(number, 5) for number in range(len(ids))]
    else:
        assert output.times == [max(Fraction(index, 25) - begin, 0) for index in ids]


@pytest.mark.parametrize("ext", ["mp4", "mkv", "mov", "avi", "ts", "mpg", "flv", "webm", "h264"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_every_container_gives_every_frame(tmp_path: Path, ext: str, bframes: int) -> None:
    """From the beginning, and from 2 s on: a seek may end behind the key frame that is needed."""
    codec = {"mpg": "mpeg2video", "ogv": "libtheora", "webm": "libvpx-vp9"}.get(ext, "libx264")
    if codec not in av.codecs_available:
        codec = "mpeg4" if ext == "ogv" else codec
    options = (
        {"bf": str(bframes), "g": "100"} if codec != "libvpx-vp9" else {"crf": "20", "b": "0", "deadline": "realtime"}
    )
    path = tmp_path / f"film.{ext}"
    frames = 75
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=160, height=96, pix_fmt="yuv420p", options=options)
        stream.codec_context.thread_count = 1
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(clips.pattern(index, 160, 96), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    report = job(tmp_path, path)
    assert counts(report) == {"done": 1}, reasons(report)
    output = see(tmp_path / "out/film.mp4")
    assert output.ids == list(range(frames))
    assert abs(output.relative[-1] - Fraction(frames - 1, 25)) < Fraction(1, 100)
    report = job(tmp_path, path, reader={"start": "2s"})
    assert counts(report) == {"done": 1}, reasons(report)
    ids = see(tmp_path / "out/film.mp4").ids
    assert ids in (list(range(50, frames)), list(range(51, frames)), list(range(49, frames))), "to a unit of its clock"


def test_key_frames_of_open_groups(gallery: Path, tmp_path: Path) -> None:
    """All of them, in order, each at its time; no leading picture between."""
    with av.open(str(gallery / "open_gop.mkv")) as container:
        keys = sorted(p.pts * Fraction(p.time_base) for p in container.demux(video=0) if p.size and p.is_keyframe)
    assert counts(job(tmp_path, gallery / "open_gop.mkv", reader={"every": "key"})) == {"done": 1}
    output = see(tmp_path / "out/open_gop.mp4")
    assert output.ids == sorted(output.ids)
    assert [round(time * 25) for time in output.times] == [round(time * 25) for time in keys]


def test_a_truncated_file_is_called_so(gallery: Path, tmp_path: Path) -> None:
    """An MKV cut in two decodes without an error: what is there is kept, and the report says how much is missing."""
    clips.truncate(gallery / "two_sounds.mkv", tmp_path / "cut.mkv", 0.4)
    report = job(tmp_path, tmp_path / "cut.mkv", ext="mkv", writer={"verify": False})
    assert counts(report) == {"done": 1}
    assert "is truncated: it ends at" in remarks(report)
    ids = see(tmp_path / "out/cut.mkv").ids
    assert ids == see(tmp_path / "cut.mkv").ids, "what can be decoded; B-frames at the cut lack what they refer to"
    assert 5 < len(ids) < 59
    report = job(tmp_path, tmp_path / "cut.mkv", reader={"on_corrupt": "fail"}, ext="mkv")
    assert counts(report) == {"failed": 1}


def test_damaged_packets_are_counted(gallery: Path, tmp_path: Path) -> None:
    """Turned bytes in one packet: 60 frames with `keep`, 59 with `drop`, no output with `fail`."""
    clips.flip_bytes(gallery / "walk.mp4", tmp_path / "hurt.mp4", 20)
    with av.open(str(tmp_path / "hurt.mp4")) as container:
        corrupt = sum(frame.is_corrupt for frame in container.decode(video=0))
    assert corrupt == 1, "the clip is what this test is about"
    kept = job(tmp_path, tmp_path / "hurt.mp4")
    assert counts(kept) == {"done": 1}
    assert "1 of its frames are damaged; kept" in remarks(kept)
    assert len(see(tmp_path / "out/hurt.mp4").ids) == 60
    dropped = job(tmp_path, tmp_path / "hurt.mp4", reader={"on_corrupt": "drop"})
    assert "1 of its frames are damaged; left out" in remarks(dropped)
    assert len(see(tmp_path / "out/hurt.mp4").ids) == 59
    failed = job(tmp_path, tmp_path / "hurt.mp4", reader={"on_corrupt": "fail"})
    assert counts(failed) == {"failed": 1}


def test_a_codec_that_nobody_knows(gallery: Path, tmp_path: Path) -> None:
    """The film fails with that reason, and `probe` tells of the others."""
    (tmp_path / "odd.mp4").write_bytes((gallery / "walk.mp4").read_bytes().replace(b"avc1", b"zzzz"))
    report = job(tmp_path, tmp_path / "odd.mp4")
    assert counts(report) == {"failed": 1}
    assert "codec that FFmpeg does not know" in reasons(report)
    done = cli("probe", str(tmp_path / "odd.mp4"), str(gallery / "walk.mp4"))
    assert done.returncode == 0
    assert "codec that FFmpeg does not know" in done.stdout
    assert "60 frames" in done.stdout
