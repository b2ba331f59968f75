"""What an output says beside its pixels: the policy `keep`, the same for every format, read back by other programs."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import counts, plan_of
from PIL import ExifTags, Image, IptcImagePlugin

from pipeline.supervisor import serial
from pipeline.supervisor.report import Report

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:t="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' t:Orientation="6" exif:GPSLatitude="52,30.5N" exif:PixelXDimension="60" xmp:Rating="4">'
    b"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Harbour</rdf:li></rdf:Alt></dc:title>"
    b"<dc:creator><rdf:Seq><rdf:li>Ada XMP</rdf:li></rdf:Seq></dc:creator>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)
FORMATS = ["jpg", "png", "webp", "avif", "tif"]
GPS = {1: "N", 2: (52.0, 30.0, 30.0), 3: "E", 4: (13.0, 24.0, 0.0)}


def block(**less: Any) -> Image.Exif:
    """EXIF as a camera writes it: turned, with a place, a maker note, a thumbnail's worth of bytes."""
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "Canon", 0x013B: "Ada", 0x8298: "(c) Ada", 0x0132: "2020:01:02 03:04:05"})
    exif.update({0x011A: 300.0, 0x011B: 300.0, 0x0128: 2, 0x010E: "a ship"})
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {0x9003: "2020:01:02 03:04:05", 0x927C: b"secret" * 50, 0xA002: 60, 0xA003: 40, 0xA001: 0xFFFF, 0x920A: 35.0}
    )
    exif.get_ifd(ExifTags.IFD.Exif)[0xA005] = {1: "R03"}
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(GPS)
    for tag in less.get("without", ()):
        del exif[tag]
    return exif


def iptc() -> bytes:
    """A caption, an author and a copyright."""
    sets = ((2, 120, b"caption"), (2, 80, b"Ada IPTC"), (2, 116, b"(c) IPTC"))
    return b"".join(struct.pack(">BBBH", 0x1C, record, number, len(text)) + text for record, number, text in sets)


class Utf8(str):
    """A text that Pillow writes as UTF-8."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return str.encode(self, "utf-8")


def photo(path: Path, exif: Image.Exif | None = None, *, xmp: bytes = XMP, records: bytes | None = None) -> None:
    """A JPEG with all kinds of blocks."""
    records = iptc() if records is None else records
    path.parent.mkdir(exist_ok=True)
    file = io.BytesIO()
    pixels = np.full((40, 60, 3), (90, 120, 60), np.uint8)
    Image.fromarray(pixels).save(
        file, "JPEG", exif=exif or block(), xmp=xmp, comment=b"a comment", dpi=(300, 300), quality=95
    )
    data = file.getvalue()
    if records:
        resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records + bytes(len(records) % 2)
        content = b"Photoshop 3.0\0" + resource
        data = data[:2] + struct.pack(">BBH", 0xFF, 0xED, len(content) + 2) + content + data[2:]
    path.write_bytes(data)


def made(folder: Path, ext: str, keep: list[str] | None) -> Report:
    """All photos in FOLDER/in in another format, with a policy."""
    more = {} if keep is None else {"keep": keep}
    writer = {"use": "files", "path": f"{folder}/out/{{stem}}.{ext}", "overwrite": "always", **more}
    report = serial.run(plan_of(folder, {"use": "folder", "path": str(folder / "in")}, [["orient"]], writer))
    assert counts(report) == {"done": 1}, report.failures
    return report


def told(path: Path) -> tuple[Image.Exif, dict[int, Any], dict[int, Any], dict[str, Any]]:
    """What Pillow finds: the first directory, EXIF's own, the place, and all else."""
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        return exif, dict(exif.get_ifd(ExifTags.IFD.Exif)), dict(exif.get_ifd(ExifTags.IFD.GPSInfo)), dict(image.info)


@pytest.mark.parametrize("ext", FORMATS)
def test_by_default_copyright_and_density_are_kept(tmp_path: Path, ext: str) -> None:
    """And no place, no date, no camera, no text, no orientation that was applied."""
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, ext, None)
    exif, inner, place, info = told(tmp_path / f"out/a.{ext}")
    assert (exif[0x013B], exif[0x8298]) == ("Ada", "(c) Ada")
    assert (inner, place) == ({}, {})
    assert not {0x010F, 0x0132, 0x010E} & set(exif)
    assert exif.get(0x0112, 1) == 1
    assert not info.get("xmp")
    assert not info.get("comment")
    dpi = info.get("dpi") or (exif[0x011A], exif[0x011B])
    assert [round(float(each)) for each in dpi] == [300, 300]
    with Image.open(tmp_path / f"out/a.{ext}") as image:
        assert image.size == (40, 60)  # turned


@pytest.mark.parametrize("ext", FORMATS)
def test_exif_never_brings_the_place_unless_it_is_named(tmp_path: Path, ext: str) -> None:
    """Thumbnails, maker notes and R03 do not come along; size and orientation are those of the output."""
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, ext, ["exif"])
    exif, inner, place, _ = told(tmp_path / f"out/a.{ext}")
    assert exif[0x010F] == "Canon"
    assert inner[0x9003] == "2020:01:02 03:04:05"
    assert (inner[0xA002], inner[0xA003], inner[0xA001]) == (40, 60, 1)
    assert exif.get(0x0112, 1) == 1
    assert place == {}
    assert not {0x927C, 0xA005} & set(inner)
    made(tmp_path, ext, ["exif", "gps"])
    _, _, place, _ = told(tmp_path / f"out/a.{ext}")
    assert (place[1], [float(each) for each in place[4]]) == ("N", [13.0, 24.0, 0.0])


@pytest.mark.parametrize("ext", FORMATS)
def test_parts_of_exif_alone(tmp_path: Path, ext: str) -> None:
    """A date, a place, a text, each without the rest."""
    photo(tmp_path / "in/a.jpg")
    for keep in ("date", "gps", "comment"):
        made(tmp_path, ext, [keep])
        exif, inner, place, _ = told(tmp_path / f"out/a.{ext}")
        assert (0x9003 in inner, bool(place)) == (keep == "date", keep == "gps")
        assert not {0x010F, 0x013B} & set(exif)
    assert exif[0x010E] == "a ship"


@pytest.mark.parametrize("ext", FORMATS)
def test_xmp_is_kept_without_what_is_wrong_in_another_picture(tmp_path: Path, ext: str) -> None:
    """Whatever prefix stands for a namespace."""
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, ext, ["xmp"])
    with Image.open(tmp_path / f"out/a.{ext}") as image:
        packet = image.info.get("xmp") or image.getxmp() or b""
        found = bytes(packet) if isinstance(packet, (bytes, bytearray)) else repr(packet).encode()
    assert b"Harbour" in found
    assert b"Rating" in found
    for word in (b"Orientation", b"GPS", b"PixelXDimension"):
        assert word not in found
    made(tmp_path, ext, ["xmp", "gps"])
    assert b"GPSLatitude" in (tmp_path / f"out/a.{ext}").read_bytes()


@pytest.mark.parametrize("ext", ["jpg", "tif"])
def test_iptc_as_pillow_reads_it(tmp_path: Path, ext: str) -> None:
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, ext, ["iptc"])
    with Image.open(tmp_path / f"out/a.{ext}") as image:
        found = IptcImagePlugin.getiptcinfo(image)
    assert found is not None
    assert found[(2, 120)] == b"caption"


def test_iptc_survives_png_and_comes_back(tmp_path: Path) -> None:
    """In the text chunk that ImageMagick and exiftool use."""
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, "png", ["iptc", "comment"])
    assert b"Raw profile type iptc" in (tmp_path / "out/a.png").read_bytes()
    (tmp_path / "in/a.jpg").unlink()
    (tmp_path / "out/a.png").rename(tmp_path / "in/a.png")
    made(tmp_path, "jpg", ["iptc", "comment"])
    with Image.open(tmp_path / "out/a.jpg") as image:
        found = IptcImagePlugin.getiptcinfo(image)
        assert image.info["comment"] == b"a comment"
    assert found is not None
    assert found[(2, 120)] == b"caption"


@pytest.mark.parametrize(("ext", "lacking"), [("webp", ["IPTC"]), ("gif", ["EXIF", "XMP", "IPTC"]), ("bmp", ["EXIF"])])
def test_what_a_format_has_no_place_for_is_said(tmp_path: Path, ext: str, lacking: list[str]) -> None:
    photo(tmp_path / "in/a.jpg")
    report = made(tmp_path, ext, ["exif", "xmp", "iptc"])
    for name in lacking:
        assert f"its {name} was not kept: the format has no place for it" in str(report.remarks)


@pytest.mark.parametrize("source", ["iptc", "xmp"])
def test_copyright_is_found_where_it_stands(tmp_path: Path, source: str) -> None:
    """In EXIF, else IPTC, else XMP; it becomes EXIF, which all programs read."""
    exif = block(without=(0x013B, 0x8298))
    photo(tmp_path / "in/a.jpg", exif, records=None if source == "iptc" else b"")
    made(tmp_path, "webp", None)
    found, *_ = told(tmp_path / "out/a.webp")
    assert found[0x013B] == {"iptc": "Ada IPTC", "xmp": "Ada XMP"}[source]


@pytest.mark.parametrize("ext", FORMATS)
@pytest.mark.parametrize("source", ["exif", "iptc", "xmp"])
def test_letters_beyond_ascii_stay_what_they_are(tmp_path: Path, ext: str, source: str) -> None:
    """The sign of copyright above all, as UTF-8 wherever it came from."""
    name = "© Žofie Müller"
    exif = block(without=(0x013B, 0x8298))
    if source == "exif":
        exif[0x013B] = Utf8(name)
    records = struct.pack(">BBBH", 0x1C, 2, 80, len(name.encode())) + name.encode() if source == "iptc" else b""
    photo(tmp_path / "in/a.jpg", exif, xmp=XMP.replace(b"Ada XMP", name.encode()), records=records)
    made(tmp_path, ext, ["copyright", "exif"])
    assert name.encode() + b"\0" in (tmp_path / f"out/a.{ext}").read_bytes()


def test_nothing_is_kept_where_nothing_is_asked_for(tmp_path: Path) -> None:
    photo(tmp_path / "in/a.jpg")
    made(tmp_path, "jpg", [])
    exif, inner, place, info = told(tmp_path / "out/a.jpg")
    assert (dict(exif), inner, place) == ({}, {}, {})
    assert not {"xmp", "comment", "photoshop"} & set(info)
    assert info.get("dpi", (72, 72)) != (300, 300)


@pytest.mark.parametrize("ext", FORMATS)
def test_a_damaged_block_loses_nothing_that_stands_elsewhere(tmp_path: Path, ext: str) -> None:
    """The author by XMP, beside an EXIF block that is cut."""
    photo(tmp_path / "in/a.jpg", b"II*\0\x08\0\0\0\x05\0" + (b"\x9b\x82\x02\0" + b"\xff" * 8) * 5, records=b"")
    made(tmp_path, ext, ["copyright", "exif"])
    exif, *_ = told(tmp_path / f"out/a.{ext}")
    assert exif[0x013B] == "Ada XMP"


@pytest.mark.parametrize("ext", [*FORMATS, "bmp"])
def test_a_density_that_cannot_be_is_left_out(tmp_path: Path, ext: str) -> None:
    """A damaged field: four billion pixels an inch, in the units of an EXIF block."""
    exif = block()
    exif.update({0x011A: 4e9, 0x011B: 4e9})
    photo(tmp_path / "in/a.jpg", exif)
    data = (tmp_path / "in/a.jpg").read_bytes()
    (tmp_path / "in/a.jpg").write_bytes(data[: data.index(b"JFIF") + 7] + bytes(5) + data[data.index(b"JFIF") + 12 :])
    made(tmp_path, ext, None)
    *_, info = told(tmp_path / f"out/a.{ext}")
    assert max(info.get("dpi", (0, 0))) < 1e6


def test_the_time_of_the_file(tmp_path: Path) -> None:
    """`mtime`: that of the source, to the nanosecond."""
    photo(tmp_path / "in/a.jpg")
    os.utime(tmp_path / "in/a.jpg", ns=(1_000_000_000_123_456_789, 1_000_000_000_123_456_789))
    made(tmp_path, "jpg", ["mtime"])
    assert os.stat(tmp_path / "out/a.jpg").st_mtime_ns == 1_000_000_000_123_456_789


@pytest.mark.parametrize(
    "exif",
    [
        b"II*\0\x08\0\0\0\xff\xff",
        b"MM\0*\0\0\0\x08" + bytes(40),
        b"II*\0\x08\0\0\0\x05\0" + (b"\x9b\x82\x02\0" + b"\xff" * 8) * 5,
    ],
)
def test_a_damaged_block_costs_no_picture(tmp_path: Path, exif: bytes) -> None:
    """It is left out; nothing fails."""
    (tmp_path / "in").mkdir()
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "JPEG")
    content = b"Exif\0\0" + exif
    jpeg = data.getvalue()
    (tmp_path / "in/a.jpg").write_bytes(
        jpeg[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content + jpeg[2:]
    )
    made(tmp_path, "jpg", ["exif", "copyright", "gps", "date"])


@pytest.mark.parametrize("packet", [b"<not xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", bytes(100)])
def test_a_packet_that_is_no_xml_or_defines_entities(tmp_path: Path, packet: bytes) -> None:
    photo(tmp_path / "in/a.jpg", xmp=packet)
    report = made(tmp_path, "jpg", ["xmp"])
    assert "its XMP packet cannot be read and was not kept" in str(report.remarks)
