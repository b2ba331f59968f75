"""HEIC: read as libheif shows it, told from AVIF and video, never written."""

from __future__ import annotations

import struct

import pytest

from pipeline import ItemError
from stages.codecs.heic import Heic


@pytest.mark.parametrize(
    ("head", "is_heic"),
    [(b"heic\0\0\0\0mif1heic", True), (b"heix\0\0\0\0mif1", True), (b"mif1\0\0\0\0mif1heic", True),
     (b"msf1\0\0\0\0hevc", True), (b"avif\0\0\0\0mif1miaf", False), (b"isom\0\0\0\0iso2mp41", False)],
)  # fmt: skip
def test_heic_is_told_from_avif_and_mp4(head: bytes, is_heic: bool) -> None:
    """By the brands within the first box."""
    box = struct.pack(">I4s", len(head) + 8, b"ftyp") + head
    assert Heic().matches((box + b"heic" * 8)[:32]) is is_heic


def test_what_is_no_heic_fails_in_one_line() -> None:
    """Its first box alone, and rubbish behind it."""
    box = struct.pack(">I4s", 24, b"ftyp") + b"heic\0\0\0\0mif1heic"
    for data in (box, box + bytes(200), box + b"\xff" * 200):
        with pytest.raises(ItemError, match=r"\Adamaged HEIC: [^\n]+\Z"):
            Heic().header(memoryview(data))
