"""The header of a JPEG XL codestream: size, orientation, samples and colours, before any pixel is decoded.

Source: ISO/IEC 18181-1, annexes B (bits) and D (SizeHeader, ImageMetadata), E.2 (ColourEncoding).
"""

from __future__ import annotations

from typing import NamedTuple

from stages.media import icc
from stages.media.jxl_bits import JxlBits

RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
ALPHA, SPOT, BLACK, FILTER = 0, 2, 4, 5  # kinds of extra channels
GRAY, XYB = 1, 2  # colour spaces
CUSTOM = 2  # white point or primaries that are given as numbers
WHITES, PRIMARIES = {10: (1 / 3, 1 / 3), 11: icc.DCI}, {9: icc.CODED[9], 11: icc.CODED[12]}  # others: those of sRGB
SRGB_TRANSFER = 13  # of H.273
LEAST_EXPONENT = 1 / 8192


class JxlHeader(NamedTuple):
    """What the codestream says.

    Attributes:
        bits: of a sample; 0 for floating point.
        is_gray, has_alpha, has_black, is_animated: of the picture. premultiplied: colours are multiplied by alpha.
        is_xyb: samples are stored in a colour space of the format's own.
        has_icc: colours are told by a profile, packed within the codestream.
        primaries: of red, green, blue and white; None where they are not told.
        transfer: by H.273. gamma: the exponent of a display where it is told in place of a transfer; 0 where not.
    """

    height: int
    width: int
    orientation: int = 1
    bits: int = 8
    is_gray: bool = False
    has_alpha: bool = False
    premultiplied: bool = False
    has_black: bool = False
    is_animated: bool = False
    is_xyb: bool = True
    has_icc: bool = False
    primaries: icc.Primaries | None = None
    transfer: int = SRGB_TRANSFER
    gamma: float = 0.0


def read(codestream: bytes) -> JxlHeader:
    """From the first bytes of a codestream, its mark included; 4 kB are enough.

    Raises:
        ItemError: it ends too early.
    """
    bits = JxlBits(codestream[2:])
    height, width = _size(bits)
    if bits.flag():  # all as usual: 8 bits, sRGB
        return JxlHeader(height, width)
    orientation, animated = 1, False
    if bits.flag():
        orientation, animated = bits.u(3) + 1, _extra(bits)
    depth = _depth(bits)
    bits.flag()  # whether 16-bit buffers are enough
    kinds = _extra_channels(bits)
    alpha = ALPHA in kinds, kinds.get(ALPHA, False)
    told = JxlHeader(height, width, orientation, depth, False, *alpha, BLACK in kinds, animated, bits.flag())
    return told if bits.flag() else _with_colours(told, bits)


def _size(bits: JxlBits) -> tuple[int, int]:
    small = bits.flag()

    def side() -> int:
        return 8 * (bits.u(5) + 1) if small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height, ratio = side(), bits.u(3)
    if not ratio:
        return height, side()
    across, down = RATIOS[ratio - 1]
    return height, height * across // down


def _extra(bits: JxlBits) -> bool:
    """Fields that most files do not have; whether there is an animation."""
    if bits.flag():
        _size(bits)  # in which it is meant to be shown
    if bits.flag():  # a preview
        eighths = bits.flag()
        ways = ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
        bits.choice(*ways)
        if not bits.u(3):
            bits.choice(*ways)
    animated = bits.flag()
    if animated:
        bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
        bits.flag()
    return animated


def _depth(bits: JxlBits) -> int:
    if bits.flag():  # floating point
        bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
        bits.u(4)
        return 0
    return bits.choice((8, 0), (10, 0), (12, 0), (1, 6))


def _extra_channels(bits: JxlBits) -> dict[int, bool]:
    """Walk the extra channels; their kinds, and whether colours are multiplied by the first of the kind."""
    found: dict[int, bool] = {}
    for _ in range(bits.choice((0, 0), (1, 0), (2, 4), (1, 12))):
        kind, multiplied = ALPHA, False
        if not bits.flag():  # else all is as usual: alpha of 8 bits
            kind = bits.enum()
            _depth(bits)
            bits.choice((0, 0), (3, 0), (4, 0), (1, 3))  # by how much it is smaller
            for _ in range(bits.choice((0, 0), (0, 4), (16, 5), (48, 10))):  # its name
                bits.u(8)
            if kind == ALPHA:
                multiplied = bits.flag()
            elif kind == SPOT:
                bits.u(64)
            elif kind == FILTER:
                bits.choice((1, 0), (0, 2), (3, 4), (19, 8))
        found.setdefault(kind, multiplied)
    return found


def _with_colours(told: JxlHeader, bits: JxlBits) -> JxlHeader:
    has_icc, space = bits.flag(), bits.enum()
    told = told._replace(has_icc=has_icc, is_gray=space == GRAY)
    if has_icc or space == XYB:
        return told
    kind = bits.enum()
    white = bits.point() if kind == CUSTOM else WHITES.get(kind, icc.D65)
    if space != GRAY:
        kind = bits.enum()
        primaries = (
            icc.Primaries(bits.point(), bits.point(), bits.point(), white)
            if kind == CUSTOM
            else PRIMARIES.get(kind, icc.SRGB)._replace(white=white)
        )
        told = told._replace(primaries=primaries)
    if bits.flag():
        exponent = bits.u(24) / 1e7
        return told._replace(gamma=1 / exponent if LEAST_EXPONENT <= exponent <= 1 else 0.0)
    return told._replace(transfer=bits.enum())
