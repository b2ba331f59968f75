"""The JPEG inside camera raw files: found in the layouts of several makers, turned as the raw file says, or refused."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import counts, plan_of
from PIL import Image

from pipeline import ItemError
from pipeline.supervisor import serial
from pipeline.supervisor.report import Report
from stages.media import raw_previews

SENSOR = np.random.default_rng(5).integers(0, 256, 20_000, np.uint8).tobytes()  # where chance starts of JPEGs may be


def jpeg(width: int, height: int, turn: int = 0) -> bytes:
    """Red above, blue below; with a thumbnail's worth of EXIF where it says how it is turned."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (0, height // 2, width, height))
    file, exif = io.BytesIO(), Image.Exif()
    if turn:
        exif[0x0112] = turn
    picture.save(file, "JPEG", quality=95, **({"exif": exif} if turn else {}))
    return file.getvalue()


def directory(*entries: tuple[int, int, int], order: str = "<") -> bytes:
    """A directory of SHORT (3) and LONG (4) fields, with none behind it."""
    packed = [
        struct.pack(order + "HHI", tag, kind, 1) + (struct.pack(order + "H", value) + b"\0\0" if kind == 3 else
        struct.pack(order + "I", value)) for tag, kind, value in sorted(entries)
    ]  # fmt: skip
    return struct.pack(order + "H", len(entries)) + b"".join(packed) + bytes(4)


def nef(turn: int, *, mark: bytes = b"II*\0", flags: int = 1) -> bytes:
    """As Nikon, Sony, Olympus and Panasonic write it: a small first page, the JPEGs behind the sensor's data."""
    small, large, icon = jpeg(160, 120), jpeg(300, 200), jpeg(64, 48)
    fields = directory((254, 4, flags), (256, 3, 4), (257, 3, 4), (258, 3, 8), (262, 3, 2), (0x0112, 3, turn))
    return mark + struct.pack("<I", 8) + fields + icon + small + SENSOR + large + SENSOR


def raf(turn: int) -> bytes:
    """As Fujifilm writes it: a header of its own, and the JPEG has the EXIF block."""
    return b"FUJIFILMCCD-RAW 0201" + bytes(64) + jpeg(300, 200, turn) + SENSOR


def cr3(turn: int) -> bytes:
    """As Canon writes it: boxes, with the fields in one of them."""
    fields = b"II*\0\x08\0\0\0" + directory((0x0112, 3, turn))
    boxes = ((b"ftyp", b"crx \0\0\0\1crx isom"), (b"CMT1", fields), (b"mdat", jpeg(300, 200) + SENSOR))
    return b"".join(struct.pack(">I4s", len(content) + 8, name) + content for name, content in boxes)


MAKERS: dict[str, Any] = {
    "nef": nef, "cr3": cr3, "raf": raf,
    "orf": lambda turn: nef(turn, mark=b"IIRO"),
    "rw2": lambda turn: nef(turn, mark=b"IIU\0"),
}  # fmt: skip


def run(folder: Path, name: str, data: bytes, **reader: Any) -> Report:
    (folder / "in").mkdir()
    (folder / "in" / name).write_bytes(data)
    writer = {"use": "files", "path": f"{folder}/out/{{stem}}.png"}
    source = {"use": "folder", "path": str(folder / "in"), **reader}
    return serial.run(plan_of(folder, source, [["orient"]], writer))


@pytest.mark.parametrize("turn", [1, 6, 8])
@pytest.mark.parametrize("maker", MAKERS)
def test_the_largest_jpeg_is_read_upright(tmp_path: Path, maker: str, turn: int) -> None:
    """Also where only the raw file says how it is turned; it is said that this is not the raw picture."""
    report = run(tmp_path, f"a.{maker}", MAKERS[maker](turn), raw="preview")
    assert counts(report) == {"done": 1}, report.failures
    with Image.open(tmp_path / "out/a.png") as picture:
        assert picture.size == ((300, 200) if turn == 1 else (200, 300))
        red = {1: (150, 20), 6: (180, 150), 8: (20, 150)}[turn]
        assert picture.convert("RGB").getpixel(red)[0] > 200
    assert [remark.text for remark in report.remarks] == [
        "is a camera's raw file: the picture that the camera put into it was read"
    ]


def test_without_a_name_it_is_known_by_its_bytes(tmp_path: Path) -> None:
    assert counts(run(tmp_path, "a", raf(1), raw="preview")) == {"done": 1}


@pytest.mark.parametrize("maker", MAKERS)
def test_it_is_left_out_unasked_and_refused_where_it_is_named(tmp_path: Path, maker: str) -> None:
    """A small preview passed off as the picture is what nobody wants to find years later."""
    report = run(tmp_path, f"a.{maker}", MAKERS[maker](1))
    assert counts(report) == {"skipped": 1}
    report = serial.run(
        plan_of(tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "include": ["**"]}, [],
                {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"})
    )  # fmt: skip
    assert counts(report) == {"failed": 1}
    assert "camera" in report.failures[0].reason
    assert "`raw: preview`" in report.failures[0].reason


@pytest.mark.parametrize("maker", MAKERS)
def test_one_without_a_jpeg_is_refused(tmp_path: Path, maker: str) -> None:
    """So is one whose only JPEG is an icon."""
    data = MAKERS[maker](1).replace(b"\xff\xd8\xff", b"\0\0\0")
    report = run(tmp_path, f"a.{maker}", data + jpeg(64, 48), raw="preview")
    assert counts(report) == {"failed": 1}
    assert "raw file" in report.failures[0].reason


def test_tiles_of_raw_data_are_no_picture(tmp_path: Path) -> None:
    """A lossy DNG: many JPEGs of one size. The preview is taken, though it is smaller."""
    data = b"FUJIFILMCCD-RAW 0201" + jpeg(160, 120) + jpeg(256, 256) * 4
    assert counts(run(tmp_path, "a.raf", data, raw="preview")) == {"done": 1}
    with Image.open(tmp_path / "out/a.png") as picture:
        assert picture.size == (160, 120)


def test_a_tiff_of_a_sensor_is_a_raw_file(tmp_path: Path) -> None:
    """Pentax writes no preview as first page."""
    data = nef(6, flags=0).replace(struct.pack("<HHIH", 262, 3, 1, 2), struct.pack("<HHIH", 262, 3, 1, 32803))
    assert counts(run(tmp_path, "a.pef", data, raw="preview")) == {"done": 1}


def test_a_file_of_nothing_but_starts_takes_no_time(tmp_path: Path) -> None:
    """What a stranger would send: each start leads to many more."""
    steps = b"\xff\xe0\0\2" * 3
    data = b"FUJIFILMCCD-RAW" + (b"\xff\xd8" + steps) * 200_000 + b"\xff\xe0\0\2" * 1_000_000
    before = time.process_time()
    with pytest.raises(ItemError, match="without a JPEG"):
        raw_previews.largest(memoryview(data))
    assert time.process_time() - before < 2
    assert counts(run(tmp_path, "a.raf", data, raw="preview")) == {"failed": 1}
