"""Reading files and announcing pictures: what is refused before a pixel is decoded."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

from pipeline import ItemError, Metadata, Spec
from pipeline.config.keys import Settings
from pipeline.contracts.codec import Codec
from pipeline.contracts.contexts import Limits
from pipeline.errors import MissingCodec
from pipeline.plan.model import Plan, StagePlan
from pipeline.worker.loading import SIDECAR_NBYTES, Loading, carry

CODECS = (StagePlan("jpeg", "stages.codecs.jpeg:Jpeg"), StagePlan("png", "stages.codecs.png:Png"))


def full(spec: Spec, _: Codec) -> Spec:
    return spec


def loading(**limits: int) -> Loading:
    return Loading(Plan("a.yaml", (), CODECS, settings=Settings(limits=Limits(**limits))), full)


def encoded(format_: str, size: tuple[int, int] = (9, 7)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, format_)
    return file.getvalue()


def test_one_buffer_serves_all_files(tmp_path: Path) -> None:
    """Large, small, large again: each file comes out as it is, and what was read is counted."""
    files, total = loading(), 0
    for number, size in enumerate((10, 3_000_000, 1, 1 << 20, (1 << 20) - 1, 2_999_999)):
        data = os.urandom(size)
        (tmp_path / str(number)).write_bytes(data)
        assert bytes(files.load(str(tmp_path / str(number)))) == data
        total += size
        assert files.nbytes_read == total


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    """A FIFO, a folder, a device, an empty or too large file: each with a line of its own."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(bytes(101))
    for path, said in (
        (str(tmp_path / "fifo"), "is a FIFO, not a regular file"),
        (str(tmp_path), "is a folder, not a regular file"),
        ("/dev/zero", "is a character device, not a regular file"),
        (str(tmp_path / "empty"), r"is empty \(0 bytes\)"),
        (str(tmp_path / "large"), "`limits: {file_size}` is 0.0 MB"),
    ):
        with pytest.raises(ItemError, match=said):
            loading(file_nbytes=100).load(path)
    with pytest.raises(FileNotFoundError):
        loading().load(str(tmp_path / "none"))


@pytest.mark.parametrize("change", [-1, 1, 5000])
def test_a_file_that_changes_while_it_is_read_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    """Shorter or longer than it was when it was opened: never half of it, never a mixture."""
    path = tmp_path / "a"
    path.write_bytes(bytes(5000))
    real = os.fstat

    def fstat(fd: int) -> os.stat_result:
        status = real(fd)
        with open(path, "ab") as file:
            file.truncate(5000 + change)
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(ItemError, match="changed while it was read"):
        loading().load(str(path))


def test_a_file_that_is_written_over_while_it_is_read_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as before, with other bytes: its time tells."""
    path = tmp_path / "a"
    path.write_bytes(bytes(5000))
    os.utime(path, ns=(1_700_000_000_000_000_000,) * 2)
    real = os.readv

    def readv(fd: int, buffers: list[memoryview]) -> int:
        path.write_bytes(b"x" * 5000)
        return real(fd, buffers)

    monkeypatch.setattr(os, "readv", readv)
    with pytest.raises(ItemError, match="changed while it was read"):
        loading().load(str(path))


def test_short_reads_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system may give a few bytes at a time."""
    data = os.urandom(10_000)
    (tmp_path / "a").write_bytes(data)
    real = os.readv
    monkeypatch.setattr(os, "readv", lambda fd, views: real(fd, [views[0][:777]]))
    assert bytes(loading().load(str(tmp_path / "a"))) == data


def test_no_descriptor_is_left_by_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed when reading it fails (the leak guard looks)."""
    (tmp_path / "a").write_bytes(b"x")

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "readv", broken)
    with pytest.raises(OSError, match="Input/output"):
        loading().load(str(tmp_path / "a"))


def test_magic_bytes_decide_and_not_the_name() -> None:
    """Formats may alternate; each picture is announced by the codec that its bytes belong to."""
    files = loading()
    for format_ in ("JPEG", "PNG", "PNG", "JPEG", "PNG"):
        data = memoryview(encoded(format_))
        part = files.picture(data)
        assert part.spec.size == (7, 9)
        out = np.zeros(part.spec.shape, np.uint8)
        part.fill(out)
        assert abs(int(out[3, 4, 0]) - 200) < 4


def test_what_is_named_and_not_read_does_not_stand_in_the_way_of_others() -> None:
    """After a video, whose container is that of AVIF, an AVIF is one."""
    codecs = (StagePlan("avif", "stages.codecs.avif:Avif"), StagePlan("unread", "stages.codecs.unread:Unread"))
    files = Loading(Plan("a.yaml", (), codecs, settings=Settings()), full)
    with pytest.raises(MissingCodec, match="video"):
        files.picture(memoryview(b"\0\0\0\x1cftypisom" + bytes(32)))
    assert files.picture(memoryview(encoded("AVIF"))).spec.size == (7, 9)


def test_what_is_too_large_to_be_carried_is_told() -> None:
    said = list[str]()
    files = Loading(Plan("a.yaml", (), CODECS, settings=Settings()), full, said.append)
    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, "PNG", icc_profile=os.urandom(SIDECAR_NBYTES + 1))
    assert not files.picture(memoryview(file.getvalue())).metadata.icc
    assert said == ["its ICC profile was left out: 1 MiB are carried beside a picture"]


@pytest.mark.parametrize("data", [b"", b"\x89PN", b"GIF89a", b"hello, world", bytes(40)])
def test_an_unknown_format_says_how_it_begins(data: bytes) -> None:
    """The first bytes and the formats that are known are in the line."""
    with pytest.raises(MissingCodec, match="known are jpeg, png"):
        loading().picture(memoryview(data))


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_too_many_pixels_are_refused_before_they_are_decoded(format_: str) -> None:
    """The limit and how to raise it; a picture of just as many passes, also right after one that was refused."""
    files = loading(pixels=63)
    asked: list[Spec] = []
    files.smallest = lambda spec, _: asked.append(spec) or spec  # type: ignore[func-returns-value]
    for _ in range(2):
        with pytest.raises(ItemError, match=r"has 8x8 = 0.0 megapixels.*--set limits.pixels"):
            files.picture(memoryview(encoded(format_, (8, 8))))
        assert not asked
        assert files.picture(memoryview(encoded(format_, (9, 7)))).spec.size == (7, 9)
        asked.clear()


def test_codecs_are_opened_when_first_needed_and_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of JPEG loads no other library; each codec that was used is opened once and closed once."""
    from stages.codecs.jpeg import Jpeg
    from stages.codecs.png import Png

    calls = []
    for codec in (Jpeg, Png):
        monkeypatch.setattr(codec, "open", lambda self: calls.append(f"open {type(self).__name__}"))
        monkeypatch.setattr(codec, "close", lambda self: calls.append(f"close {type(self).__name__}"))
    files = loading()
    for _ in range(2):
        files.picture(memoryview(encoded("JPEG")))
    assert calls == ["open Jpeg"]
    files.picture(memoryview(encoded("PNG")))
    files.picture(memoryview(encoded("JPEG")))
    files.close()
    assert calls == ["open Jpeg", "open Png", "close Jpeg", "close Png"]


def test_the_chain_is_asked_how_small_a_picture_may_be() -> None:
    """What it answers is what is announced and decoded."""
    files = Loading(
        Plan("a.yaml", (), CODECS), lambda spec, codec: codec.shrunk(spec, spec.resized(spec.height // 8, 1).size)
    )
    part = files.picture(memoryview((ROOT / "samples/photos/mountains.jpg").read_bytes()))
    assert part.spec.size != part.spec.full_size
    out = np.zeros(part.spec.shape, np.uint8)
    part.fill(out)
    assert out.std() > 5


@pytest.mark.parametrize(
    ("blocks", "kept"),
    [
        ({"icc": 10, "exif": 10, "xmp": 10}, {"icc": 10, "exif": 10, "xmp": 10}),
        ({"icc": SIDECAR_NBYTES, "exif": 1}, {"exif": 1}),
        ({"icc": 10, "exif": SIDECAR_NBYTES, "xmp": 20}, {"icc": 10, "xmp": 20}),
        ({"icc": SIDECAR_NBYTES}, {"icc": SIDECAR_NBYTES}),
        ({"icc": SIDECAR_NBYTES + 1}, {}),
    ],
)
def test_metadata_is_carried_up_to_a_megabyte(blocks: dict[str, int], kept: dict[str, int]) -> None:
    """The largest block is dropped first, until the rest fits."""
    made: dict[str, Any] = {name: bytes(size) for name, size in blocks.items()}
    carried = carry(Metadata(**made))
    assert {name: len(getattr(carried, name)) for name in ("icc", "exif", "xmp") if getattr(carried, name)} == kept
