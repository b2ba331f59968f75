"""Where video goes wrong elsewhere, each with its number: time, colours, shape, sound, damage."""

from __future__ import annotations

import errno
import math
import os
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import FAST, clips, job, made, reasons, remarks, see
from harness import FILM, ROOT, cli, counts, plan_of, tree

from pipeline import registry
from pipeline.errors import Exit
from pipeline.plan.chain import StageError
from pipeline.supervisor import execution, serial

GALLERY = clips.GALLERY
KEYS = (0, 25, 48)  # of walk.mp4
HALF = [["orient", {"resize": {"width": 80, "kernel": "area"}}]]


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole gallery of clips, made once."""
    folder = tmp_path_factory.mktemp("gallery")
    for clip in GALLERY.values():
        clips.make(clip, folder / clip.name)
    return folder


# ---- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ext", ["mp4", "mkv", "mov"])
def test_a_variable_frame_rate_stays_as_it_is(gallery: Path, tmp_path: Path, ext: str) -> None:
    """60 frames with steps of 1/60 to 1/10 s: every time stamp equal (mkv: to its millisecond), ids 0..59 in order."""
    assert counts(job(tmp_path, gallery / "vfr.mp4", steps=HALF, ext=ext)) == {"done": 1}
    source, output = see(gallery / "vfr.mp4"), see(tmp_path / f"out/vfr.{ext}")
    assert output.ids == source.ids == list(range(60))
    near = Fraction(1, 2000) if ext == "mkv" else 0
    assert all(abs(have - want) <= near for have, want in zip(output.times, source.times, strict=True))


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


# ---- sound, subtitles, covers ----------------------------------------------------------------------------------------


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


# ---- colours ---------------------------------------------------------------------------------------------------------


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
        ([[{"sharpen": {}}], ["rgb", {"convert": {"dtype": "uint8"}}]], {}, "HDR (PQ) in 8 bits", "no tone mapping"),
        ([["rgb", "grayscale"]], {"depth": "8"}, "HDR (PQ) in 8 bits", "no tone mapping"),
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


# ---- shape -----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied_once(tmp_path: Path, rotation: int) -> None:
    """Upright pixels, no tag left, blocks readable; with `autorotate: false` pixels and tag as they were."""
    clip = clips.Clip("phone.mp4", 320, 180, 5, rotation=rotation)
    path = made(tmp_path, clip)
    assert counts(job(tmp_path, path)) == {"done": 1}
    output = see(tmp_path / "out/phone.mp4")
    assert output.rotation == 0
    assert output.size == ((180, 320) if rotation != 180 else (320, 180))
    assert output.ids == list(range(5))
    rows, columns = clips.marker_box(*output.size)
    red = output.first[rows, columns][4:-4, 4:-4].mean(axis=(0, 1))
    assert red[0] - red[2] >= 150, "the marker is where it belongs"
    assert counts(job(tmp_path, path, reader={"autorotate": False})) == {"done": 1}
    output = see(tmp_path / "out/phone.mp4")
    assert output.rotation % 360 == rotation
    assert output.size == (320, 180)


def test_pixels_that_are_not_square(gallery: Path, tmp_path: Path) -> None:
    """240x180 of 2:3, also scaled down: the shape as shown changes by less than 0.5 %."""
    for steps in ([], [[{"resize": {"width": 120}}]]):
        assert counts(job(tmp_path, gallery / "anamorphic.mp4", steps=steps)) == {"done": 1}
        output = see(tmp_path / "out/anamorphic.mp4")
        shape = output.size[0] / output.size[1] * output.sar
        assert abs(shape / (Fraction(240, 180) * Fraction(2, 3)) - 1) < 0.005


@pytest.mark.parametrize(("codec", "ext"), [("vp9", "mp4"), ("av1", "mp4"), ("hevc", "mkv"), ("vp9", "webm")])
def test_every_codec_keeps_the_shape_of_pixels(gallery: Path, tmp_path: Path, codec: str, ext: str) -> None:
    """In the stream or in the container; where neither can say it, the film fails with what to do."""
    writer = {"codec": codec, "preset": {"vp9": 8, "av1": 12}.get(codec, "ultrafast"), "crf": 40}
    report = job(tmp_path, gallery / "anamorphic.mp4", writer=writer, ext=ext)
    if ext == "webm":
        assert counts(report) == {"failed": 1}
        assert "has pixels of 2:3" in reasons(report)
    else:
        assert counts(report) == {"done": 1}, reasons(report)
        assert see(tmp_path / f"out/anamorphic.{ext}").sar == Fraction(2, 3)


def test_a_film_of_422_that_lies_on_its_side(tmp_path: Path) -> None:
    """As phones record it: turned, and readable."""
    clip = clips.Clip("side.mov", 320, 180, 4, codec="libx264", pix_fmt="yuv422p10le", rotation=90)
    report = job(tmp_path, made(tmp_path, clip))
    assert counts(report) == {"done": 1}, reasons(report)
    output = see(tmp_path / "out/side.mp4")
    assert (output.size, output.format) == ((180, 320), "yuv420p10le")
    assert output.ids == list(range(4))


def test_a_turned_picture_turns_its_pixels_too(tmp_path: Path) -> None:
    """2:3 pixels of a clip that lies on its side stand 3:2."""
    path = made(tmp_path, clips.Clip("side.mp4", 240, 180, 5, rotation=90, sar=Fraction(2, 3)))
    assert counts(job(tmp_path, path)) == {"done": 1}
    assert see(tmp_path / "out/side.mp4").sar == Fraction(3, 2)


def test_a_size_that_changes_in_midstream(tmp_path: Path) -> None:
    """Two clips of different size in one transport stream: an error that names the frame, and no output."""
    parts = [made(tmp_path, clips.Clip(f"{w}.ts", w, 96, 10, time_base=Fraction(1, 90000))) for w in (176, 160)]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    report = job(tmp_path, tmp_path / "both.ts")
    assert counts(report) == {"failed": 1}
    assert "a video has one size" in reasons(report)
    assert not tree(tmp_path / "out")


# ---- damage ----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("in_process", [True, False])
def test_a_film_that_a_stage_leaves_out(gallery: Path, tmp_path: Path, in_process: bool) -> None:
    """Every frame is dropped on purpose: skipped with the reason, not failed, and no file."""
    steps = [[{"filter_size": {"min_width": 1000}}]]
    report = job(tmp_path, gallery / "walk.mp4", steps=steps, in_process=in_process)
    assert counts(report) == {"skipped": 1}
    assert report.exit_code == Exit.OK
    assert not tree(tmp_path / "out")


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


# ---- encoders --------------------------------------------------------------------------------------------------------


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


# ---- bridges ---------------------------------------------------------------------------------------------------------


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


# ---- verification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("frame", "59 frames for 60"),
        ("time", "time stamps differ"),
        ("sound", "packets of audio"),
        ("tags", "colour matrix"),
    ],
)
def test_verification_finds_what_is_wrong(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    """A muxer that drops a frame, moves one, drops a packet of sound; a reader that loses the last; other tags."""
    from stages.media.ffmpeg import decoding, muxing
    from stages.media.ffmpeg.copies import Copies

    real_mux, real_copy, real_tags = muxing.Muxing._mux, Copies._mux, muxing.tags_of
    count = [0]

    def mux(self: Any, packets: list[Any]) -> None:
        for packet in packets:
            count[0] += 1
            if what == "frame" and count[0] == 30:
                continue
            if what == "time" and count[0] == 60:
                packet.pts += 100
            real_mux(self, [packet])

    def copy(self: Any, at: Any, packet: Any) -> None:
        if what == "sound" and packet.pts and packet.pts > 40000 and not count[0]:
            count[0] = 1
            self.tracks[packet.stream.index].packets += 1
            return
        real_copy(self, at, packet)

    if what == "read":
        real_decode = decoding.Decoding._decoded
        monkeypatch.setattr(decoding.Decoding, "_decoded", lambda self: islice(real_decode(self), 59))
    elif what in ("frame", "time"):
        monkeypatch.setattr(muxing.Muxing, "_mux", mux)
    elif what == "sound":
        monkeypatch.setattr(Copies, "_mux", copy)
    else:
        monkeypatch.setattr(muxing, "tags_of", lambda spec: real_tags(spec)._replace(matrix=6))
    report = job(tmp_path, gallery / "walk.mp4", in_process=True)
    assert counts(report) == {"failed": 1}
    assert said in reasons(report)
    assert not tree(tmp_path / "out")


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
    assert see(target).ids == list(range(60))


# ---- probe -----------------------------------------------------------------------------------------------------------


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
