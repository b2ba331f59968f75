"""Makes samples/clips, and more clips of awkward kinds for tests: the same bytes each time with the same PyAV.

Run from anywhere: python samples/make_clips.py [FOLDER] [--all] [--check]. Everything here is made by this script and
is CC0. Tests load this file from its path and take from it what they need:

    clip = replace(GALLERY["walk.mp4"], name="short.mp4", frames=10)
    make(clip, folder / clip.name)

A frame shows its number as eight black or white blocks, a red marker under the first of them, and moving colours. All
of it is laid out in shares of the picture, so `read_index` finds the blocks again after any resizing.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.codec.context import Flags
from av.stream import Disposition
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

Picture = np.ndarray  # (H, W, 3) uint8, RGB
Box = tuple[slice, slice]  # rows and columns

FOLDER = Path(__file__).resolve().parent / "clips"
COMMITTED = ("walk.mp4", "vfr.mp4", "turned.mp4")
MARKER = (255, 0, 0)
COVER_INDEX = 170  # what the blocks of a cover say: no clip of the gallery has so many frames
SAMPLE_RATE = 48000
BEEP_EVERY, BEEP_LENGTH = SAMPLE_RATE // 2, SAMPLE_RATE * 3 // 100
LINES = ((Fraction(1, 5), Fraction(1), "First line"), (Fraction(6, 5), Fraction(2), "Second line"))
SOUND_CODECS = {"mp3": "libmp3lame", "opus": "libopus", "pcm": "pcm_s16le"}
OPTIONS = {
    "libx264": {"crf": "26", "x264-params": "cpu-independent=1"},
    "libx265": {"crf": "26", "x265-params": "pools=none:log-level=none"},
    "ffv1": {"level": "3"},
}
KR_KB = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}  # by matrix code point; all others as BT.601


@dataclass(frozen=True)
class Clip:
    """What to make.

    Attributes:
        name: of the file; its extension picks the container.
        width, height: of the pictures as they are stored.
        frames: how many; without video, how long the sound is.
        codec: an encoder's name; None makes a file without video.
        pts: one for each frame, from 0 on, in `time_base`; None makes them equally long, at `rate`.
        rotation: degrees counter-clockwise that show the picture upright, as PyAV's `VideoFrame.rotation`.
        sar: shape of a sample, width to height; None says nothing.
        matrix, primaries, transfer, range: code points of ITU-T H.273, range as FFmpeg's 1 limited, 2 full. Of matrix 2
            (unspecified) the pixels are BT.601, of range 0 limited.
        options: of the encoder; `x264-params` and `x265-params` are added to those that are always set.
        audio: "none", "aac", "mp3", "opus", "pcm" or an encoder's name.
        audio_start_s: when the sound starts, from the first frame on. It ends with the last one. A start before 0 moves
            the pictures of a Matroska file to later times.
        languages: one sound stream for each, an octave higher each time; empty makes one without a language.
        subtitles: two `LINES`: mov_text in MP4, SubRip elsewhere.
        cover: a JPEG of `cover_picture`.
        metadata: of the file, title among them.
        chapters: start and end in seconds, and title.
        start_pts: added to all times, in `time_base`.
    """

    name: str
    width: int = 320
    height: int = 180
    frames: int = 60
    codec: str | None = "libx264"
    pix_fmt: str = "yuv420p"
    pts: tuple[int, ...] | None = None
    time_base: Fraction = Fraction(1, 12800)
    rate: Fraction = Fraction(25)
    rotation: int = 0
    sar: Fraction | None = None
    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    range: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    audio: str = "none"
    audio_start_s: float = 0.0
    languages: tuple[str, ...] = ()
    subtitles: bool = False
    cover: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[tuple[float, float, str], ...] = ()
    start_pts: int = 0


# Pictures


def block_boxes(width: int, height: int) -> list[Box]:
    """Where the eight blocks lie: each a tenth of the width and a fifth of the height."""
    return [_box(width, height, (3, 21), (2 + 11 * place, 11 + 11 * place)) for place in range(8)]


def marker_box(width: int, height: int) -> Box:
    """Where the red marker lies: at the left, under the first block."""
    return _box(width, height, (27, 45), (2, 13))


def _box(width: int, height: int, rows: tuple[int, int], columns: tuple[int, int]) -> Box:
    """A box given in ninetieths of the picture."""
    top, bottom = ((height * row + 45) // 90 for row in rows)
    left, right = ((width * column + 45) // 90 for column in columns)
    return slice(top, bottom), slice(left, right)


def pattern(index: int, width: int, height: int) -> Picture:
    """The picture of a frame; integers alone make it, so it is the same everywhere."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = x * 510 // width, y * 510 // height
    waves = (across + 17 * index, down + 11 * index + 170, (across - down) // 2 - 13 * index)
    picture = np.stack([abs(wave % 510 - 255) for wave in waves], axis=2).astype(np.uint8)
    picture[: height * 24 // 90] = 128
    for place, box in enumerate(block_boxes(width, height)):
        picture[box] = 255 * (index >> (7 - place) & 1)
    picture[marker_box(width, height)] = MARKER
    return picture


def read_index(picture: np.ndarray, peak: float | None = None) -> int:
    """The number that the blocks of an RGB or gray picture say, modulo 256.

    `peak` is white: by default the largest value of an integer type, and 1 of a float.
    """
    if peak is None:
        peak = np.iinfo(picture.dtype).max if picture.dtype.kind in "ui" else 1
    index = 0
    for rows, columns in block_boxes(picture.shape[1], picture.shape[0]):
        index = 2 * index + (picture[_middle(rows), _middle(columns)].mean() > peak / 2)
    return int(index)


def _middle(part: slice) -> slice:
    """The central half of a slice."""
    edge = (part.stop - part.start) // 4
    return slice(part.start + edge, part.stop - edge)


def stored(clip: Clip, index: int) -> Picture:
    """The picture as it lies in the file: turned away by what `rotation` turns it back."""
    turned = clip.rotation % 180 != 0
    size = (clip.height, clip.width) if turned else (clip.width, clip.height)
    return np.ascontiguousarray(np.rot90(pattern(index, *size), -clip.rotation // 90))


def upright(picture: np.ndarray, rotation: int) -> np.ndarray:
    """A stored picture as it is to be shown."""
    return np.rot90(picture, rotation // 90)


def cover_picture() -> Picture:
    """The cover: its blocks say `COVER_INDEX`."""
    return pattern(COVER_INDEX, 160, 160)


# Times


def times(clip: Clip) -> tuple[int, ...]:
    """The presentation time of each frame, in `time_base`, with `start_pts`."""
    step = 1 / clip.rate / clip.time_base
    shown = clip.pts if clip.pts is not None else tuple(round(step * index) for index in range(clip.frames))
    if len(shown) != clip.frames:
        raise ValueError(f"{clip.name}: {clip.frames} frames, but {len(shown)} times")
    return tuple(clip.start_pts + pts for pts in shown)


def durations(clip: Clip) -> tuple[int, ...]:
    """How long each frame is shown, in `time_base`; the last as long as the one before it, or by `rate`."""
    shown = times(clip)
    steps = [after - before for before, after in itertools.pairwise(shown)]
    last = steps[-1] if clip.pts is not None and steps else round(1 / clip.rate / clip.time_base)
    return (*steps, last)


def length(clip: Clip) -> Fraction:
    """Seconds from the first frame to the end of the last."""
    return sum(durations(clip)) * clip.time_base


# Files


def make(clip: Clip, path: str | Path) -> None:
    """Writes a clip; what stands at the path is replaced."""
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        container.metadata.update(clip.metadata)
        container.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(clip.chapters, 1)])
        video = _add_video(container, clip) if clip.codec else None
        sounds = _add_sounds(container, clip)
        subtitles = _add_subtitles(container, clip) if clip.subtitles else None
        if clip.cover:
            _add_cover(container, clip)
        if subtitles is not None:
            _write_subtitles(container, clip, subtitles)
        if video is not None:
            _write_video(container, clip, video)
        for place, sound in enumerate(sounds):
            _write_sound(container, clip, sound, 440 << place)


def _chapter(number: int, start: float, end: float, title: str) -> dict[str, Any]:
    return {
        "id": number, "start": round(start * 1000), "end": round(end * 1000), "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }  # fmt: skip


def _add_video(container: Any, clip: Clip) -> Any:
    """The video stream with all that its header says; encoders open at the first packet of any stream."""
    stream = container.add_stream(
        clip.codec, rate=clip.rate, options=_options(clip), width=clip.width, height=clip.height,
        time_base=clip.time_base, pix_fmt=clip.pix_fmt, thread_count=1,
    )  # fmt: skip
    context = stream.codec_context
    context.flags |= Flags.bitexact
    context.colorspace, context.color_primaries = clip.matrix, clip.primaries
    context.color_trc, context.color_range = clip.transfer, clip.range
    if clip.sar is not None:
        context.sample_aspect_ratio = clip.sar
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def _options(clip: Clip) -> dict[str, str]:
    """The options that are always set, with the clip's over them."""
    always = OPTIONS.get(clip.codec or "", {})
    joined = {
        name: f"{value}:{clip.options[name]}" for name, value in always.items()
        if name.endswith("-params") and name in clip.options
    }  # fmt: skip
    return {**always, **clip.options, **joined}


def _add_sounds(container: Any, clip: Clip) -> list[Any]:
    if clip.audio == "none":
        return []
    streams = []
    for language in clip.languages or ("",):
        name = SOUND_CODECS.get(clip.audio, clip.audio)
        options = {} if name.startswith("pcm") else {"b": "48000"}
        stream = container.add_stream(name, rate=SAMPLE_RATE, layout="mono", options=options, thread_count=1)
        stream.codec_context.flags |= Flags.bitexact
        if language:
            stream.metadata["language"] = language
        streams.append(stream)
    return streams


def _add_subtitles(container: Any, clip: Clip) -> Any:
    """A stream of packets without an encoder: of both formats a packet is little more than its text."""
    stream = container.add_mux_stream("mov_text" if _is_mp4(clip) else "subrip", time_base=Fraction(1, 1000))
    stream.metadata["language"] = "eng"
    return stream


def _is_mp4(clip: Clip) -> bool:
    return clip.name.endswith((".mp4", ".m4a", ".m4v", ".mov"))


def _add_cover(container: Any, clip: Clip) -> None:
    """A stream of one packet in MP4; Matroska has it as an attachment, which FFmpeg reads as such a stream."""
    picture, file = cover_picture(), io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=85)
    if not _is_mp4(clip):
        container.add_attachment("cover.jpg", "image/jpeg", file.getvalue())
        return
    stream = container.add_mux_stream("mjpeg", width=picture.shape[1], height=picture.shape[0])
    stream.disposition = Disposition.attached_pic
    _mux(container, stream, file.getvalue(), Fraction(0), Fraction(0))


def _write_video(container: Any, clip: Clip, stream: Any) -> None:
    for index, (pts, duration) in enumerate(zip(times(clip), durations(clip), strict=True)):
        frame = to_frame(stored(clip, index), clip)
        frame.pts, frame.duration, frame.time_base = pts, duration, clip.time_base
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_sound(container: Any, clip: Clip, stream: Any, pitch: int) -> None:
    first, end = round(clip.audio_start_s * SAMPLE_RATE), round(length(clip) * SAMPLE_RATE)
    samples = sound(np.arange(first, end), pitch)
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
    frame.pts = first + round(clip.start_pts * clip.time_base * SAMPLE_RATE)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def sound(places: np.ndarray, pitch: int = 440) -> np.ndarray:
    """Samples at places counted from the first frame on: a soft tone, and a loud beep from each half second on."""
    tone = 0.1 * np.sin(2 * np.pi * pitch * places / SAMPLE_RATE)
    beep = 0.7 * np.sin(2 * np.pi * 4 * pitch * places / SAMPLE_RATE)
    loud = places % BEEP_EVERY < BEEP_LENGTH
    return np.rint(np.where(loud, beep, tone) * 32767).astype(np.int16)


def _write_subtitles(container: Any, clip: Clip, stream: Any) -> None:
    for start, end, line in LINES:
        text = line.encode()
        content = len(text).to_bytes(2, "big") + text if _is_mp4(clip) else text
        _mux(container, stream, content, start + clip.start_pts * clip.time_base, end - start)


def _mux(container: Any, stream: Any, content: bytes, start: Fraction, duration: Fraction) -> None:
    """Writes one packet that no encoder made."""
    packet = av.Packet(content)
    packet.stream, packet.is_keyframe, packet.time_base = stream, True, Fraction(1, 1000)
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round(duration * 1000)
    container.mux(packet)


def to_frame(picture: Picture, clip: Clip) -> av.VideoFrame:
    """A picture as a frame of the clip's planar YUV or gray format, by the formulas of ITU-T H.273.

    swscale is not asked, so that pixels do not hang on the processor and tests have something to check swscale against.
    A chroma sample is the mean of the pixels it covers.
    """
    frame = av.VideoFrame(clip.width, clip.height, clip.pix_fmt)
    parts = frame.format.components
    if frame.format.is_rgb or len(parts) != len(frame.planes):
        raise ValueError(f"{clip.name}: {clip.pix_fmt} is not planar YUV or gray")
    for place, values in enumerate(_yuv(picture, clip.matrix)[: len(parts)]):
        part, plane = parts[place], frame.planes[place]
        dtype = np.uint8 if part.bits == 8 else np.dtype("<u2")
        rows = np.frombuffer(plane, dtype).reshape(part.height, -1)[:, : part.width]
        shrunk = _shrink(values, part.width, part.height)
        rows[...] = np.rint(_coded(shrunk, part.bits, chroma=place > 0, full=clip.range == 2))
    if parts[-1].is_alpha:
        np.frombuffer(frame.planes[-1], np.uint8 if parts[-1].bits == 8 else "<u2")[...] = (1 << parts[-1].bits) - 1
    frame.colorspace, frame.color_primaries = clip.matrix, clip.primaries
    frame.color_trc, frame.color_range = clip.transfer, clip.range
    return frame


def _yuv(picture: Picture, matrix: int) -> tuple[np.ndarray, ...]:
    """Y from 0 to 1, Cb and Cr from -0.5 to 0.5."""
    kr, kb = KR_KB.get(matrix, (0.299, 0.114))
    red, green, blue = np.moveaxis(picture / 255, 2, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    return luma, (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)


def _shrink(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """The mean of each block of pixels; the last of an odd size counts twice."""
    down, across = -(-values.shape[0] // height), -(-values.shape[1] // width)
    missing = ((0, height * down - values.shape[0]), (0, width * across - values.shape[1]))
    return np.pad(values, missing, mode="edge").reshape(height, down, width, across).mean(axis=(1, 3))


def _coded(values: np.ndarray, bits: int, *, chroma: bool, full: bool) -> np.ndarray:
    """The codes of samples, not yet rounded."""
    if full:
        return np.minimum(values * ((1 << bits) - 1) + (1 << bits - 1) * chroma, (1 << bits) - 1)
    return (values * (224 if chroma else 219) + (128 if chroma else 16)) * (1 << bits - 8)


# Damage


def truncate(path: str | Path, out: str | Path, share: float) -> None:
    """Keeps so large a share of a file, from its start."""
    content = Path(path).read_bytes()
    Path(out).write_bytes(content[: int(len(content) * share)])


def flip_bytes(path: str | Path, out: str | Path, packet_number: int) -> tuple[int, int]:
    """Turns over the bits of the fourth fifth of a video packet, the first of a file being 0; their place and count.

    That is far behind the headers that an encoder puts before the first picture. Packets are in the order of decoding.
    """
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux(video=0) if packet.size)
        packet = next(itertools.islice(packets, packet_number, None), None)
        if packet is None:
            raise ValueError(f"{path}: has no packet {packet_number}")
        place, part = packet.pos, bytes(packet)
    content = bytearray(Path(path).read_bytes())
    start = content.find(part, place)  # in some containers a header stands before the packet itself
    if start < 0:
        raise ValueError(f"{path}: packet {packet_number} does not lie in one piece")
    start, count = start + len(part) * 3 // 5, max(1, len(part) // 5)
    content[start : start + count] = bytes(byte ^ 0xFF for byte in content[start : start + count])
    Path(out).write_bytes(content)
    return start, count


def annexb(path: str | Path, out: str | Path) -> None:
    """The bare H.264 or HEVC stream of a file, without time stamps: the muxer puts in start codes by itself."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        with av.open(str(out), "w", format=stream.codec_context.name) as target:
            copy = target.add_stream_from_template(stream, opaque=True)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    target.mux(packet)


# The gallery


def _uneven(count: int) -> tuple[int, ...]:
    """Times in 1/90000 with steps of 1/60, 1/30, 1/20 and 1/10 s in an order without a pattern."""
    pts, state = [0], 1
    while len(pts) < count:
        state = (state * 1103515245 + 12345) % (1 << 31)
        pts.append(pts[-1] + (1500, 3000, 4500, 9000)[state >> 16 & 3])
    return tuple(pts)


_GOPS = "keyint=20:min-keyint=20:scenecut=0:bframes=3:b-adapt=0"
_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
_SMALL = {"width": 160, "height": 96}
GALLERY = {
    clip.name: clip
    for clip in (
        Clip("walk.mp4", options={"g": "25", "bf": "2"}, audio="aac", metadata={"title": "Walk"},
             chapters=((0, 1.2, "Out"), (1.2, 2.4, "Back"))),
        Clip("vfr.mp4", pts=_uneven(60), time_base=Fraction(1, 90000), options={"g": "30", "bf": "3"}),
        Clip("turned.mp4", rotation=90, frames=30, options={"g": "15"}),
        Clip("open_gop.mkv", codec="libx265", options={"x265-params": f"open-gop=1:{_GOPS}"}),
        Clip("odd.mkv", 161, 97, 30, codec="ffv1", matrix=6, primaries=6, transfer=6),
        Clip("bt601_full.mp4", frames=25, matrix=6, primaries=6, transfer=6, range=2),
        Clip("bt709_limited.mp4", frames=25),
        Clip("deep.mkv", frames=25, codec="libx265", pix_fmt="yuv420p10le", matrix=9, primaries=9, transfer=16,
             options={"x265-params": f"master-display={_DISPLAY}:max-cll=1000,400"}),
        Clip("anamorphic.mp4", 240, 180, 25, sar=Fraction(2, 3)),
        Clip("cover.mp4", **_SMALL, audio="aac", cover=True),
        Clip("sound_only.m4a", codec=None, audio="aac", metadata={"title": "Nothing to see"}),
        Clip("late_sound.mkv", **_SMALL, audio="aac", audio_start_s=0.5),
        Clip("start.ts", **_SMALL, time_base=Fraction(1, 90000), start_pts=127995, options={"bf": "2"}, audio="aac"),
        Clip("subtitles.mkv", **_SMALL, audio="aac", subtitles=True),
        Clip("gray.mkv", **_SMALL, frames=25, codec="ffv1", pix_fmt="gray", range=2),
        Clip("two_sounds.mkv", **_SMALL, audio="aac", languages=("eng", "deu")),
    )
}  # fmt: skip


# Pictures of a time lapse


def stills(folder: Path, count: int = 12) -> None:
    """Pictures named shot1.jpg and on, whose blocks say their number: by name alone the tenth would come second."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        Image.fromarray(pattern(number, 320, 180)).save(folder / f"shot{number}.jpg", quality=80)


# Reading back


@dataclass
class Seen:
    """What a file says when it is read."""

    pts: list[Fraction] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    rotation: int = 0
    tags: tuple[int, ...] = ()
    streams: str = ""
    sar: Fraction | None = None
    languages: tuple[str, ...] = ()
    sound_start: float | None = None
    chapters: tuple[tuple[float, float, str], ...] = ()
    title: str = ""


def look(path: str | Path) -> Seen:
    """Reads a file from end to end."""
    with av.open(str(path)) as container:
        seen = Seen(title=container.metadata.get("title", ""))
        seen.streams = " ".join(f"{stream.type[0]}:{_kind(stream)}" for stream in container.streams)
        seen.languages = tuple(
            stream.language for stream in container.streams.audio if stream.language not in (None, "und")
        )
        seen.chapters = tuple(
            (
                float(part["start"] * part["time_base"]),
                float(part["end"] * part["time_base"]),
                part["metadata"]["title"],
            )
            for part in container.chapters()
        )
        pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        for stream in (*pictures, *container.streams.audio[:1]):
            stream.thread_count = 1
            for frame in container.decode(stream):
                _note(seen, frame, stream)
            container.seek(0)
    return seen


def _kind(stream: Any) -> str:
    name = stream.codec_context.name if stream.codec_context is not None else "-"
    return f"{name}(cover)" if stream.disposition & Disposition.attached_pic else name


def _note(seen: Seen, frame: Any, stream: Any) -> None:
    when = frame.pts * frame.time_base
    if isinstance(frame, av.AudioFrame):
        seen.sound_start = float(when) if seen.sound_start is None else seen.sound_start
        return
    seen.pts.append(when)
    seen.rotation = frame.rotation % 360
    seen.indices.append(read_index(upright(frame.to_ndarray(format="rgb24"), seen.rotation)))
    seen.tags = tuple(map(int, (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)))
    seen.sar = stream.sample_aspect_ratio


def check(clip: Clip, path: str | Path) -> tuple[str, list[str]]:
    """A row of a table on a file that `make` wrote, and what in it is not as the clip says."""
    seen, wrong = look(path), []
    grain = Fraction(1, 2000) if clip.name.endswith((".mkv", ".webm")) else 0  # Matroska counts milliseconds
    wanted = [pts * clip.time_base for pts in times(clip)] if clip.codec else []
    if len(seen.pts) != len(wanted) or any(abs(a - b) > grain for a, b in zip(seen.pts, wanted, strict=False)):
        wrong.append("times")
    wrong += [
        name
        for name, found, right in (
            ("indices", seen.indices, [index % 256 for index in range(len(wanted))]),
            ("rotation", seen.rotation, clip.rotation),
            ("tags", seen.tags, (clip.matrix, clip.primaries, clip.transfer, clip.range) if clip.codec else ()),
            ("sar", seen.sar if seen.sar != 1 else None, clip.sar),
            ("title", seen.title, clip.metadata.get("title", "")),
            ("chapters", seen.chapters, clip.chapters),
            ("languages", seen.languages, clip.languages),
            ("cover", "(cover)" in seen.streams, clip.cover),
            ("subtitles", "s:" in seen.streams, clip.subtitles),
        )
        if found != right
    ]
    if clip.audio != "none":
        late = (seen.sound_start or 0) - float(clip.start_pts * clip.time_base) - clip.audio_start_s
        if abs(late) > 0.03:  # a frame of priming may come before, where the container cannot hide it
            wrong.append(f"sound {late:+.4f} s")
    tags = "/".join(map(str, seen.tags)) or "-"
    row = f"{clip.name:18} {Path(path).stat().st_size:7} {len(seen.pts):3} {tags:9} {seen.rotation:3} {seen.streams}"
    return row, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes sample clips.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--all", action="store_true", help="the whole gallery, not only the clips that are committed")
    parser.add_argument("--check", action="store_true", help="read each clip back and print a table")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in GALLERY if arguments.all else COMMITTED:
        clip, path = GALLERY[name], arguments.folder / name
        make(clip, path)
        if arguments.check:
            row, wrong = check(clip, path)
            print(row, f"WRONG: {', '.join(wrong)}" if wrong else "", sep="  ")
            failed = failed or bool(wrong)
    if arguments.folder == FOLDER:
        stills(FOLDER.parent / "timelapse")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
