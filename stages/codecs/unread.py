"""Formats that no other codec reads, known by their first bytes: so that a file is refused by name, with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline import Codec, Header, MissingCodec

_CONVERT = "convert it to JPEG, PNG or TIFF first"
_HEIC = "convert it first (`heif-convert`, or on the phone: Settings, Camera, Formats, Most Compatible)"
_RAW = (
    "develop it first (darktable, RawTherapee, dcraw); the camera's own JPEG can be had with `exiftool -b -JpgFromRaw`"
)
_VIDEO = "frames of videos cannot be read by this reader"
_BRANDS = {  # of an ISO base media file (ISO/IEC 14496-12), bytes 8 to 12
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), ("HEIC picture", _HEIC)),
    b"crx ": ("camera raw file (CR3)", _RAW),
    b"jxl ": ("JPEG XL picture", _CONVERT),
}
_HEADS = (
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL picture", _CONVERT),
    (b"\xff\x0a", "JPEG XL picture", _CONVERT),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000 picture", _CONVERT),
    (b"\xff\x4f\xff\x51", "JPEG 2000 picture", _CONVERT),
    (b"FUJIFILMCCD-RAW", "camera raw file (RAF)", _RAW),
    (b"IIU\x00", "camera raw file (RW2)", _RAW),
    (b"IIRO", "camera raw file (ORF)", _RAW),
    (b"IIRS", "camera raw file (ORF)", _RAW),
    (b"8BPS", "Photoshop document", "save it flattened as TIFF or PNG first"),
    (b"\x76\x2f\x31\x01", "OpenEXR picture", _CONVERT),
    (b"P7\n", "PAM picture", _CONVERT),
    (b"PF\n", "PFM picture", _CONVERT),
    (b"#?R", "Radiance HDR picture", _CONVERT),
    (b"\x00\x00\x01\x00", "icon (ICO)", _CONVERT),
    (b"<svg", "drawing (SVG)", "render it first, for example with `rsvg-convert`"),
    (b"%PDF", "PDF document", "render its pages first, for example with `pdftoppm`"),
    (b"%!PS", "PostScript document", "render its pages first, for example with `gs`"),
    (b"\x1a\x45\xdf\xa3", "video (Matroska or WebM)", _VIDEO),
    (b"PK\x03\x04", "zip archive", "unpack it first"),
    (b"version https://git-lfs", "Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    (b"<!doctype", "web page", "the download of this file went wrong: fetch it again"),
    (b"<html", "web page", "the download of this file went wrong: fetch it again"),
)


@dataclass(frozen=True)
class Unread(Codec):
    """Names HEIC, camera raw, JPEG XL and other formats that are not read, with what to do about each such file."""

    last_resort: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ()

    def matches(self, head: bytes) -> bool:
        """Whether these first 32 bytes are of a format that can be named."""
        return bool(named(head)[0])

    def header(self, data: memoryview) -> Header:
        """Raises MissingCodec: what the file is, and what can be done about it."""
        name, remedy = named(bytes(data[:32]))
        raise MissingCodec(f"is a {name}, which is not read", remedy=remedy)


def named(head: bytes) -> tuple[str, str]:
    """What a file with these first 32 bytes is, and what can be done about it; two empty texts where it is unknown."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ("video (MP4 or QuickTime)", _VIDEO))
    folded = head.lstrip().lower() if head.lstrip()[:1] == b"<" else head
    for start, name, remedy in _HEADS:
        if folded.startswith(start):
            return name, remedy
    return "", ""
