"""What goes beside the pictures of a film: sound, subtitles, covers, attachments, titles."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from films import clips, job, reasons, remarks, see
from harness import counts


@pytest.mark.parametrize(("name", "ext"), [("walk.mp4", "mp4"), ("walk.mp4", "mkv"), ("late_sound.mkv", "mp4"),
                                           ("late_sound.mkv", "mkv"), ("two_sounds.mkv", "mp4")])  # fmt: skip
def test_sound_is_copied_and_stays_in_step(gallery: Path, tmp_path: Path, name: str, ext: str) -> None:
    """The same packets, byte for byte, and their distance to the pictures changes by less than a millisecond."""
    assert counts(job(tmp_path, gallery / name, ext=ext)) == {"done": 1}
    source, output = see(gallery / name), see(tmp_path / "out" / name.replace(name[-3:], ext))
    assert [crc for _, crc in output.sounds] == [crc for _, crc in source.sounds]
    for (have, _), (want, _) in zip(output.sounds, source.sounds, strict=True):
        assert len(have) == len(want)
        moved = [(a - output.times[0]) - (b - source.times[0]) for a, b in zip(have, want, strict=True)]
        assert max(map(abs, moved)) < Fraction(1, 1000)


def test_a_part_takes_the_sound_of_the_same_part(gallery: Path, tmp_path: Path) -> None:
    """From 1 s on: each packet a second earlier than in the source, beginning with the first not before 1 s."""
    assert counts(job(tmp_path, gallery / "walk.mp4", reader={"start": 1, "duration": 1})) == {"done": 1}
    source, output = see(gallery / "walk.mp4"), see(tmp_path / "out/walk.mp4")
    want = [time - 1 for time in source.sounds[0][0] if 1 <= time < 2]
    assert all(abs(a - b) < Fraction(1, 1000) for a, b in zip(output.sounds[0][0], want, strict=True))


@pytest.mark.parametrize("keep_start", [False, True])
def test_the_clock_of_a_part(gallery: Path, tmp_path: Path, keep_start: bool) -> None:
    """With `keep_start` frames and sound stay at their times in the source, and both are of the part only."""
    writer = {"keep_start": keep_start}
    report = job(tmp_path, gallery / "late_sound.mkv", reader={"start": 1, "duration": 1}, writer=writer, ext="mkv")
    assert counts(report) == {"done": 1}, reasons(report)
    output, zero = see(tmp_path / "out/late_sound.mkv"), Fraction(int(keep_start))
    assert output.ids == list(range(25, 50))
    assert output.times[0] == zero
    sound = output.sounds[0][0]
    assert zero - Fraction(1, 20) < sound[0] < sound[-1] < zero + Fraction(21, 20)


def test_sound_goes_into_a_transport_stream(gallery: Path, tmp_path: Path) -> None:
    """AAC is copied there, though FFmpeg does not list it."""
    report = job(tmp_path, gallery / "walk.mp4", ext="ts")
    assert counts(report) == {"done": 1}, reasons(report)
    assert not remarks(report)
    assert len(see(tmp_path / "out/walk.ts").sounds[0][0]) == len(see(gallery / "walk.mp4").sounds[0][0])


def test_attachments_go_to_matroska_only(tmp_path: Path) -> None:
    """A font stays where it can; MP4 holds none, and the report says so. A cover stays a cover in both."""
    clip = clips.Clip("font.mkv", 160, 96, 5, cover=True)
    path = tmp_path / clip.name
    real = clips._add_cover

    def more(container: Any, clip: Any) -> None:
        real(container, clip)
        container.add_attachment("font.ttf", "font/ttf", b"a font")

    clips._add_cover = more
    try:
        clips.make(clip, path)
    finally:
        clips._add_cover = real
    report = job(tmp_path, path, ext="mp4")
    assert counts(report) == {"done": 1}, reasons(report)
    assert "attachment was left out" in remarks(report)
    report = job(tmp_path, path, ext="mkv")
    assert counts(report) == {"done": 1}, reasons(report)
    assert not remarks(report)
    for ext in ("mp4", "mkv"):
        with av.open(str(tmp_path / f"out/font.{ext}")) as container:
            covers = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            assert len(covers) == 1
            assert len(container.streams.attachments) == (ext == "mkv")


def test_two_recordings_in_one_file(gallery: Path, tmp_path: Path) -> None:
    """A transport stream put behind itself: 120 frames, times go on, and so does the sound."""
    (tmp_path / "two.ts").write_bytes((gallery / "start.ts").read_bytes() * 2)
    report = job(tmp_path, tmp_path / "two.ts", writer={"verify": False})
    assert counts(report) == {"done": 1}, reasons(report)
    assert "time stamps jump back" in remarks(report)
    output = see(tmp_path / "out/two.mp4")
    assert output.ids == [*range(60), *range(60)]
    assert abs(output.times[-1] - output.times[0] - Fraction(119, 25)) < Fraction(1, 10)
    assert abs(output.sounds[0][0][-1] - output.times[-1]) < Fraction(1, 10)


def test_titles_chapters_and_languages_are_kept(gallery: Path, tmp_path: Path) -> None:
    """Or dropped when asked to."""
    job(tmp_path, gallery / "walk.mp4")
    output = see(tmp_path / "out/walk.mp4")
    assert (output.title, output.chapters) == ("Walk", ["Out", "Back"])
    job(tmp_path, gallery / "two_sounds.mkv", ext="mkv")
    with av.open(str(tmp_path / "out/two_sounds.mkv")) as container:
        assert [stream.language for stream in container.streams.audio] == ["eng", "deu"]
    job(tmp_path, gallery / "walk.mp4", writer={"metadata": "drop", "sound": "drop"})
    output = see(tmp_path / "out/walk.mp4")
    assert (output.title, output.chapters, output.kinds) == ("", [], ["video"])


def test_subtitles_are_copied_or_loudly_dropped(gallery: Path, tmp_path: Path) -> None:
    """SubRip goes from MKV to MKV; MP4 holds none of it, and the report says which track is missing and why."""
    report = job(tmp_path, gallery / "subtitles.mkv", ext="mkv")
    assert counts(report) == {"done": 1}
    assert see(tmp_path / "out/subtitles.mkv").kinds.count("subtitle") == 1
    assert not remarks(report)
    report = job(tmp_path, gallery / "subtitles.mkv", ext="mp4")
    assert counts(report) == {"done": 1}
    assert "subtitles (eng) was left out" in remarks(report)


def test_the_cover_is_not_the_video(gallery: Path, tmp_path: Path) -> None:
    """60 frames of the film and none of its cover, which goes along as a cover."""
    assert counts(job(tmp_path, gallery / "cover.mp4")) == {"done": 1}
    assert see(tmp_path / "out/cover.mp4").ids == list(range(60))
    with av.open(str(tmp_path / "out/cover.mp4")) as container:
        covers = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        (packet,) = (p for p in container.demux(covers) if p.size)
        assert clips.read_index(packet.decode()[0].to_ndarray(format="rgb24")) == clips.COVER_INDEX
