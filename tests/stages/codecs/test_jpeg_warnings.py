"""libjpeg's warnings, one kind after the other (jerror.h, JWRN_*): which of them leave every pixel as it was.

A file for each, which makes libjpeg-turbo say just that. JWRN_TOO_MUCH_DATA is of writers,
JWRN_ARITH_BAD_CODE of arithmetic coding (below), and JWRN_BOGUS_ICC is never said here: profiles are put together by
ourselves.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from pictures import smooth
from PIL import Image

from pipeline import DecodeContext, ItemError
from stages.codecs.jpeg import Jpeg

SOS, EOI = b"\xff\xda", b"\xff\xd9"


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(smooth(160, 200)).save(file, "JPEG", quality=90, **{"restart_marker_rows": 1, **options})
    return file.getvalue()


def scan(data: bytes) -> int:
    """Where the entropy-coded data of the first scan begins."""
    at = data.index(SOS)
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def unknown_transform(data: bytes) -> bytes:
    content = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 5)
    start = 4 + int.from_bytes(data[4:6], "big")
    return data[:2] + struct.pack(">BBH", 0xFF, 0xEE, len(content) + 2) + content + data[start:]  # in place of JFIF


def strange_revision(data: bytes) -> bytes:
    return data[:11] + b"\x09\x09" + data[13:]


def bytes_between_segments(data: bytes) -> bytes:
    at = data.index(b"\xff\xc4")
    return data[:at] + b"\x12\x34\x56" + data[at:]


def bytes_behind_the_scan(data: bytes) -> bytes:
    return data[:-2] + b"\x12\x34\x56" + data[-2:]


def parameters_of_no_scan(data: bytes) -> bytes:
    at = scan(data)
    return data[: at - 3] + bytes(3) + data[at:]


def no_end_mark(data: bytes) -> bytes:
    return data[:-2]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def end_mark_too_early(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3] + EOI


def bits_that_are_no_code(data: bytes) -> bytes:
    at = len(data) * 2 // 3
    return data[:at] + b"\xff\0" * 12 + data[at + 24 :]


def restarts_out_of_order(data: bytes) -> bytes:
    return data.replace(b"\xff\xd2", b"\xff\xd5", 1)


def scans_out_of_order(_: bytes) -> bytes:
    data = jpeg(progressive=True, restart_marker_rows=0)
    starts = [found.start() for found in re.finditer(re.escape(SOS), data)]
    first = data[starts[0] : starts[1]]
    return data[: starts[2]] + first + data[starts[2] :]


Change = Callable[[bytes], bytes]
HARMLESS: list[tuple[Change, str]] = [
    (unknown_transform, "Unknown Adobe color transform code"),
    (strange_revision, "unknown JFIF revision"),
    (bytes_between_segments, "extraneous bytes before marker"),
    (bytes_behind_the_scan, "extraneous bytes before marker"),
    (parameters_of_no_scan, "Invalid SOS parameters"),
    (no_end_mark, "Premature end of JPEG file"),
]
OF_PIXELS: list[tuple[Change, str]] = [
    (cut, "Premature end of JPEG file"),
    (end_mark_too_early, "premature end of data segment"),
    (bits_that_are_no_code, "bad Huffman code"),
    (restarts_out_of_order, "found marker 0xd5 instead of RST2"),
    (scans_out_of_order, "Inconsistent progression sequence"),
]


def read(data: bytes, *, salvage: bool = False) -> tuple[np.ndarray, list[str]]:
    view, said = memoryview(data), list[str]()
    spec = Jpeg().header(view).spec
    out = np.zeros(spec.shape, np.uint8)
    Jpeg().decode(view, spec, out, DecodeContext(salvage=salvage, remark=said.append))
    return out, said


@pytest.mark.parametrize(("change", "warning"), HARMLESS, ids=[change.__name__ for change, _ in HARMLESS])
def test_harmless(change: Change, warning: str) -> None:
    """Read, every pixel as without it, with libjpeg's own words as a remark."""
    data = change(jpeg())
    with pytest.raises(ValueError, match=warning):
        simplejpeg.decode_jpeg(data)
    got, said = read(data)
    assert (got == simplejpeg.decode_jpeg(jpeg())).all()
    assert len(said) == 1
    assert warning in said[0]


@pytest.mark.parametrize(("change", "warning"), OF_PIXELS, ids=[change.__name__ for change, _ in OF_PIXELS])
def test_of_pixels(change: Change, warning: str) -> None:
    """Refused; salvaged on request, with a remark that never says that all of it was read."""
    data = change(jpeg())
    with pytest.raises(ValueError, match=warning):
        simplejpeg.decode_jpeg(data)
    with pytest.raises(ItemError, match=r"^(truncated|damaged) JPEG"):
        read(data)
    got, said = read(data, salvage=True)
    assert np.abs(got[:16].astype(int) - smooth(160, 200)[:16]).mean() < 10
    assert len(said) == 1
    assert "salvaged" in said[0]


ARITHMETIC = sorted(Path(__file__).with_name("jpeg").glob("arithmetic*.jpg"))


@pytest.mark.parametrize("path", ARITHMETIC, ids=lambda path: path.stem)
def test_arithmetic_coding(path: Path) -> None:
    """Read; cut anywhere it fails, though its decoder takes what is missing for zeros and says nothing."""
    data = path.read_bytes()
    got, said = read(data)
    assert np.abs(got.astype(int) - smooth(60, 90)).mean() < 8
    assert not said
    for part in range(1, 20):
        with pytest.raises(ItemError):
            read(data[: len(data) * part // 20])
    with pytest.raises(ItemError, match="end mark"):
        read(data[:-2])
