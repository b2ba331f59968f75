"""The metadata policy of writers: of what a file says beside its pixels, what an output says too.

EXIF is written anew through Pillow, never copied: fields that are wrong in another picture (thumbnails, maker notes,
offsets, sizes, the orientation that was applied) are left out, and GPS comes only where it is named. Tags are those of
Exif 2.32 (4.6), TIFF 6.0 and IPTC-IIM 4.2; XMP properties those of XMP part 2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from pipeline import NO_METADATA, Metadata, Spec
from stages.media import exif

ORIENTATION, ARTIST, COPYRIGHT, DATE, DESCRIPTION = 0x0112, 0x013B, 0x8298, 0x0132, 0x010E
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005  # directories
MAKER_NOTE, USER_COMMENT, COLOUR_SPACE, WIDTH, HEIGHT = 0x927C, 0x9286, 0xA001, 0xA002, 0xA003
TAKEN: Final = (0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292)  # when it was, with zones and parts
SRGB, UNCALIBRATED = 1, 0xFFFF
# Of the first directory: what says how the pixels of a TIFF lie, and what other rules keep.
OF_PIXELS: Final = frozenset(
    {0xFE, 0xFF, 0x100, 0x101, 0x102, 0x103, 0x106, 0x107, 0x10A, 0x111, 0x115, 0x116, 0x117, 0x118, 0x119, 0x11C}
    | {0x120, 0x121, 0x122, 0x123, 0x12D, 0x13D, 0x13E, 0x13F, 0x140, 0x142, 0x143, 0x144, 0x145, 0x14A, 0x152, 0x153}
    | {0x154, 0x155, 0x15B, 0x200, 0x201, 0x202, 0x205, 0x206, 0x207, 0x208, 0x209, 0x211, 0x212, 0x213, 0x214, 0x2BC}
    | {0x83BB, 0x8649, 0x8773, 0xC4A5, 0xEA1C, ORIENTATION, EXIF, GPS, INTEROPERABILITY}
)
LARGEST: Final = 8192  # bytes of one field; beyond it lie thumbnails and data of programs
MOST_XMP: Final = 1 << 20  # bytes of a packet that is read as XML
SCREEN: Final = 72.0  # pixels an inch that say nothing
MOST_DENSITY: Final = 1e6  # more are a damaged field, and not every format can hold them
AUTHOR, RIGHTS = b"\x02\x50", b"\x02\x74"  # 2:80 and 2:116 of IPTC-IIM
# Properties of XMP that are of the source's pixels, or lead to what does not come along: by name, and whole spaces.
GONE: Final = frozenset(
    f"tiff:{name}"
    for name in ("Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "SamplesPerPixel")
) | {
    "tiff:PhotometricInterpretation", "tiff:PlanarConfiguration", "tiff:YCbCrPositioning", "tiff:YCbCrSubSampling",
    "tiff:YCbCrCoefficients", "exif:PixelXDimension", "exif:PixelYDimension", "exif:ColorSpace", "exif:MakerNote",
    "xmp:Thumbnails", "xmpNote:HasExtendedXMP", "photoshop:ICCProfile",
}  # fmt: skip
GONE_SPACES: Final = ("xmpGImg", "hdrgm", "Container", "Item")
RDF, DUBLIN_CORE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
NAMES: Final = {  # the usual prefix of a namespace, whatever the packet calls it
    "http://ns.adobe.com/tiff/1.0/": "tiff", "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/xap/1.0/": "xmp", "http://ns.adobe.com/xap/1.0/g/img/": "xmpGImg",
    "http://ns.adobe.com/xmp/note/": "xmpNote", "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "hdrgm", "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/1.0/container/item/": "Item",
}  # fmt: skip
OTHERS: Final = ("exif", "xmp", "iptc", "comment")
Heard = Callable[[str], None]


def kept(metadata: Metadata, keep: Collection[str], spec: Spec, holds: Collection[str], remark: Heard) -> Metadata:
    """What an output of `spec` says beside its pixels.

    Args:
        keep: names of `Files.keep`.
        holds: what the format has a place for: exif, xmp, iptc, comment, density.
        remark: told what was asked for and cannot be kept.
    """
    wanted = _wanted(metadata, keep, remark)
    block = b""
    if "exif" in holds:
        block = _exif(metadata, wanted, keep, spec, alone="density" not in holds, remark=remark)
    for name in OTHERS:
        if name in keep and name not in holds and getattr(metadata, name):
            remark(
                f"its {'comment' if name == 'comment' else name.upper()} was not kept: the format has no place for it"
            )
    return Metadata(
        metadata.icc, block,
        wanted.xmp if "xmp" in holds else b"",
        wanted.iptc if "iptc" in holds else b"",
        wanted.comment if "comment" in holds else b"",
        wanted.density if "density" in holds else NO_METADATA.density,
    )  # fmt: skip


def _wanted(metadata: Metadata, keep: Collection[str], remark: Heard) -> Metadata:
    """The blocks beside EXIF that are to be kept, whatever the format."""
    xmp = packet(metadata.xmp if "xmp" in keep else b"", place="gps" in keep, remark=remark)
    density = metadata.density if "density" in keep and max(metadata.density) <= MOST_DENSITY else NO_METADATA.density
    return Metadata(
        xmp=xmp, iptc=metadata.iptc if "iptc" in keep else b"", comment=metadata.comment if "comment" in keep else b"",
        density=NO_METADATA.density if density == (SCREEN, SCREEN) else density,
    )  # fmt: skip


# ---- EXIF ------------------------------------------------------------------------------------------------------


def _exif(
    metadata: Metadata, wanted: Metadata, keep: Collection[str], spec: Spec, *, alone: bool, remark: Heard
) -> bytes:
    """A new block; empty where there is nothing to say. `alone`: nothing else in the file can say the density."""
    density = wanted.density if alone else NO_METADATA.density
    whole = "exif" in keep and bool(metadata.exif)
    parts = whole or ({"gps", "date", "comment"} & set(keep) and metadata.exif)
    owner = _owner(metadata) if "copyright" in keep else {}
    comment = metadata.comment if alone and "comment" in keep else b""
    texts = dict(owner)
    if comment:
        texts.setdefault(DESCRIPTION, comment.decode("latin-1"))
    if parts:
        try:
            with exif.quiet():
                old, new = _read(metadata.exif), _read(b"")
                _copy(old, new, keep)
                if whole:
                    _describe(new, spec, has_profile=bool(metadata.icc))
                return _written(new, texts, density)
        except Exception as error:  # Pillow raises whatever a damaged block makes of its arithmetic
            remark(f"its EXIF block is damaged and was not kept ({type(error).__name__})")
    return _written(_read(b""), texts, density) if texts or density != NO_METADATA.density else b""


def _written(block: Any, texts: Mapping[int, str], density: tuple[float, float]) -> bytes:
    """The block with texts for the fields that it lacks, and its density."""
    for tag, text in texts.items():
        block.setdefault(tag, exif.Text(text))
    if density != NO_METADATA.density:
        block.update({exif.ACROSS: density[0], exif.DOWN: density[1], exif.UNIT: exif.INCH})
    written: bytes = block.tobytes().removeprefix(exif.EXIF)
    return written


def _read(block: bytes) -> Any:
    from PIL import Image

    found = Image.Exif()
    if block:
        found.load(exif.EXIF + block)
        found.get_ifd(EXIF)  # read now, while its place in the block is known
        found.get_ifd(GPS)
    return found


def _copy(old: Any, new: Any, keep: Collection[str]) -> None:
    """The fields that were asked for, from one block into another."""
    whole = "exif" in keep
    first = {DATE} if "date" in keep else set()
    first |= {DESCRIPTION} if "comment" in keep else set()
    second = set(TAKEN) if "date" in keep else set()
    second |= {USER_COMMENT} if "comment" in keep else set()
    for tag, value in old.items():
        if (whole or tag in first) and tag not in OF_PIXELS and _is_small(value):
            new[tag] = exif.as_it_was(value)
    inner = old.get_ifd(EXIF)
    taken = {
        tag: exif.as_it_was(value) for tag, value in inner.items()
        if (whole or tag in second) and tag not in (MAKER_NOTE, INTEROPERABILITY, GPS) and _is_small(value)
    }  # fmt: skip
    if taken:
        new.get_ifd(EXIF).update(taken)
    place = old.get_ifd(GPS) if "gps" in keep else {}
    if place:
        new.get_ifd(GPS).update({tag: exif.as_it_was(value) for tag, value in place.items() if _is_small(value)})


def _is_small(value: Any) -> bool:
    return not isinstance(value, dict) and (not isinstance(value, (bytes, str, tuple)) or len(value) <= LARGEST)


def _describe(block: Any, spec: Spec, *, has_profile: bool) -> None:
    """Fields that say what the pixels are, as they are now."""
    inner = block.get_ifd(EXIF)
    inner.update({WIDTH: spec.width, HEIGHT: spec.height, COLOUR_SPACE: UNCALIBRATED if has_profile else SRGB})
    if spec.orientation != 1:
        block[ORIENTATION] = spec.orientation


def _owner(metadata: Metadata) -> dict[int, str]:
    """Copyright and author, as `exif.Text` has them: by EXIF, else by IPTC, else by XMP."""
    found = {tag: text for tag, text in _texts(metadata.exif) if text}
    if len(found) < 2 and metadata.iptc:
        told = {AUTHOR: ARTIST, RIGHTS: COPYRIGHT}
        for number, content in records(metadata.iptc):
            if number in told and content:
                found.setdefault(told[number], content.decode("latin-1"))
    if len(found) < 2 and (b"rights" in metadata.xmp or b"creator" in metadata.xmp):
        for name, tag in (("creator", ARTIST), ("rights", COPYRIGHT)):
            if text := _property(metadata.xmp, name):
                found.setdefault(tag, text.encode().decode("latin-1"))
    return found


def _texts(block: bytes) -> Iterator[tuple[int, str]]:
    """Copyright and author of the first directory. Most blocks have none, so they are not read for it."""
    if not exif.has_fields(block, (ARTIST, COPYRIGHT)):
        return
    try:
        with exif.quiet():
            found = _read(block)
            values = [(tag, found.get(tag)) for tag in (ARTIST, COPYRIGHT)]
    except Exception:  # damaged: what is asked of it is not there
        return
    for tag, value in values:
        if isinstance(value, str):
            yield tag, value.strip("\0 ")


# ---- IPTC and XMP ------------------------------------------------------------------------------------------------


def records(iptc: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Record and data set number of each data set, with its content (IPTC-IIM 4.2, 1.5); ends at the first bad one."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        length = int.from_bytes(iptc[at + 3 : at + 5], "big")
        if length & 0x8000:  # an extended data set: longer than 32 KB
            return
        yield iptc[at + 1 : at + 3], iptc[at + 5 : at + 5 + length]
        at += 5 + length


def _document(packet: bytes) -> Any:
    """The packet as a tree; None where it is no XML, or one that defines entities."""
    if len(packet) > MOST_XMP or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    from xml.dom import minidom  # expat since 2.4.1 bounds what entities grow to; packets that define any are refused

    try:
        whole = packet if packet[:1] in (b"\xfe", b"\xff") else packet.strip(b"\0 \r\n\t")
        return minidom.parseString(whole)  # noqa: S318 - see above
    except Exception:  # expat's errors, and those of encodings
        return None


def packet(xmp: bytes, *, place: bool, remark: Heard) -> bytes:
    """The packet without what is wrong in another picture, `place`: with where it was taken; empty where it cannot be
    read, or there is none.
    """
    if not xmp:
        return b""
    try:
        return _cleaned(_document(xmp), place=place)
    except (AttributeError, RecursionError):  # no document, or one that is nested without end
        remark("its XMP packet cannot be read and was not kept")
        return b""


def _cleaned(document: Any, *, place: bool) -> bytes:
    for node in list(document.getElementsByTagName("*")):
        if _is_gone(node, place=place):
            node.parentNode.removeChild(node)
            continue
        for attribute in list(node.attributes.values()):
            if _is_gone(attribute, place=place):
                node.removeAttributeNode(attribute)
    written: bytes = document.toxml().encode()
    return written.removeprefix(b'<?xml version="1.0" ?>')


def _is_gone(node: Any, *, place: bool) -> bool:
    space, name = NAMES.get(node.namespaceURI, node.prefix), node.localName or ""
    of_place = (space == "exif" and name.startswith("GPS")) or name.startswith("Location")
    return f"{space}:{name}" in GONE or space in GONE_SPACES or (of_place and not place)


def _property(packet: bytes, name: str) -> str:
    """The text of a property of Dublin Core, its parts joined by "; "; empty where there is none."""
    document = _document(packet)
    nodes = document.getElementsByTagNameNS(DUBLIN_CORE, name) if document is not None else []
    texts = [_text(part) for node in nodes for part in (node.getElementsByTagNameNS(RDF, "li") or [node])]
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _text(node: Any) -> str:
    return "".join(child.data for child in node.childNodes if child.nodeType == child.TEXT_NODE).strip()
