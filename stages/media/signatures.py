"""What a file is, by its first bytes: the formats that codecs read, and those that can be named and are not read."""

from __future__ import annotations

import re
import struct

HEAD_NBYTES = 32
_AVIF, _HEIC_BRANDS = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_GENERAL = (b"mif1", b"msf1", b"miaf")  # major brands of files that tell by the others what they hold
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the information header, which tell its version
_STARTS = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"\x00\x00\x00\x0cjP  ", "jpeg2000"), (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\x00\x00\x00\x0cJXL ", "jpegxl"), (b"\xff\x0a", "jpegxl"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"),
)  # fmt: skip
_TGA_KINDS = {1: 1, 9: 1, 2: 0, 3: 0, 10: 0, 11: 0}  # whether there is a palette, by kind of picture
_LEGACY = (  # formats of old software that Pillow reads: their first bytes alone tell
    (b"qoif", "QOI"), (b"8BPS\0\1", "PSD"), (b"DDS ", "DDS"), (b"BLP1", "BLP"), (b"BLP2", "BLP"), (b"icns", "ICNS"),
    (b"\xb1\x68\xde\x3a", "DCX"), (b"FTEX", "FTEX"), (b"DanM", "MSP"), (b"LinS", "MSP"),
    (b"\x80\xe8\0\0", "PIXAR"), (b"\x59\xa6\x6a\x95", "SUN"), (b"/* XPM */", "XPM"), (b"P7 332", "XVTHUMB"),
)  # fmt: skip
_PNM = re.compile(rb"P[1-6][ \t\n\v\f\r]+[#\d]")
_CONVERT = "convert it to JPEG, PNG or TIFF first"
RAW = (
    "read the JPEG that the camera put into it with `raw: preview`, or develop it first (darktable, RawTherapee, dcraw)"
)
_VIDEO = "frames of videos cannot be read by this reader"
_BRANDS = {  # of an ISO base media file (ISO/IEC 14496-12), bytes 8 to 12
    **dict.fromkeys(_GENERAL, ("HEIF picture of another coding than HEVC and AV1", _CONVERT)),
    b"crx ": ("camera raw file (CR3)", RAW),
}
_HEADS = (
    (b"FUJIFILMCCD-RAW", "camera raw file (RAF)", RAW),
    (b"IIU\x00", "camera raw file (RW2)", RAW),
    (b"FOVb", "camera raw file (X3F)", RAW),
    (b"\0MRM", "camera raw file (MRW)", RAW),
    (b"II\x1a\0\0\0HEAPCCDR", "camera raw file (CRW)", RAW),
    (b"IIRO", "camera raw file (ORF)", RAW),
    (b"IIRS", "camera raw file (ORF)", RAW),
    (b"8BPS\0\2", "large Photoshop document (PSB)", "save it flattened as TIFF or PNG first"),
    (b"\x76\x2f\x31\x01", "OpenEXR picture", _CONVERT),
    (b"P7\n", "PAM picture", _CONVERT),
    (b"SIMPLE  =", "FITS picture", _CONVERT),
    (b"PF\n", "PFM picture", _CONVERT),
    (b"#?R", "Radiance HDR picture", _CONVERT),
    (b"<?xml", "XML document, perhaps a drawing (SVG)", "render drawings first, for example with `rsvg-convert`"),
    (b"<svg", "drawing (SVG)", "render it first, for example with `rsvg-convert`"),
    (b"%PDF", "PDF document", "render its pages first, for example with `pdftoppm`"),
    (b"%!PS", "PostScript document", "render its pages first, for example with `gs`"),
    (b"\x1a\x45\xdf\xa3", "video (Matroska or WebM)", _VIDEO),
    (b"PK\x03\x04", "zip archive", "unpack it first"),
    (b"version https://git-lfs", "Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    (b"<!doctype", "web page", "the download of this file went wrong: fetch it again"),
    (b"<html", "web page", "the download of this file went wrong: fetch it again"),
)


def picture(head: bytes) -> str:
    """The codec's name of a picture with these first 32 bytes; "" where it is none that is read."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if _PNM.match(head):
        return "pnm"
    return "legacy" if legacy(head) not in ("", "TGA") else ""


def _of_brands(head: bytes) -> str:
    """By the major brand or, for general containers, the first four that the file is compatible to."""
    end = min(len(head), int.from_bytes(head[:4], "big"))
    brands = [head[8:12]]
    if head[8:12] in _GENERAL:
        brands += [head[at : at + 4] for at in range(16, end - 3, 4)]
    return (
        "avif"
        if any(brand in _AVIF for brand in brands)
        else "heic"
        if any(brand in _HEIC_BRANDS for brand in brands)
        else ""
    )


def named(head: bytes) -> tuple[str, str]:
    """What a file with these first 32 bytes is, and what can be done about it; two empty texts where it is unknown."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ("video (MP4 or QuickTime)", _VIDEO))
    folded = head.lstrip().lower() if head.lstrip()[:1] == b"<" else head
    for start, name, remedy in _HEADS:
        if folded.startswith(start):
            return name, remedy
    return "", ""


def is_raw(head: bytes) -> bool:
    """Whether a file with these first 32 bytes is a camera's raw file; those that are TIFFs do not show it here."""
    return named(head)[1] == RAW


def legacy(head: bytes) -> str:
    """Which format of old software a file with these first 32 bytes is, of those that Pillow reads; "" for none."""
    for start, name in _LEGACY:
        if head.startswith(start):
            return name
    if icon := _icon(head):
        return icon
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[14:16] in (b"\0\0", b"\3\0"):
        return "FLI"
    if head[20:24] == b"GIMP" and head[4:8] == b"\0\0\0\2":
        return "GBR"
    if (
        head[:4] == b"\x28\0\0\0"
        and head[12:14] == b"\1\0"
        and head[14:15] in (b"\1", b"\4", b"\x08", b"\x18", b"\x20")
    ):
        return "DIB"
    if head[:8] == b"#define " and b"_width" in head:
        return "XBM"
    if head[:2] == b"\x01\xda" and head[2:4] in (b"\0\1", b"\1\1", b"\0\2", b"\1\2"):
        return "SGI"
    if head[:1] == b"\x0a" and head[1:2] in (b"\0", b"\2", b"\3", b"\4", b"\5") and head[2:3] == b"\1":
        return "PCX"
    return "TGA" if _is_tga(head) else ""


def _icon(head: bytes) -> str:
    """An icon or a cursor: how many pictures, and a byte that is always zero."""
    whole = (
        len(head) >= 10
        and head[:2] == b"\0\0"
        and head[3] == 0
        and 0 < int.from_bytes(head[4:6], "little") < 256
        and head[9] == 0
    )
    return {1: "ICO", 2: "CUR"}.get(head[2], "") if whole else ""


def _is_tga(head: bytes) -> bool:
    """By the fields of the header, for there is no mark (Truevision TGA 2.0): none may say what is impossible."""
    if len(head) < 18 or head[2] not in _TGA_KINDS or head[1] != _TGA_KINDS[head[2]]:
        return False
    first, length, entry, _, _, width, height, bits, flags = struct.unpack_from("<HHBHHHHBB", head, 3)
    palette = (
        (entry in (15, 16, 24, 32) and 0 < length <= 256 and bits == 8) if head[1] else not (length or entry or first)
    )
    depths = (8, 16) if head[2] in (3, 11) else (8,) if head[1] else (15, 16, 24, 32)
    return palette and bits in depths and width > 0 and height > 0 and not flags & 0xC0 and flags & 0x0F in (0, 1, 8)
