"""ICC profiles of files that say their colours by other codes, so that all colours go one way: through the profile.

Source of the formulas: ICC.1:2022 (layout, parametricCurveType 10.18, chromatic adaptation annex E); Rec. ITU-T H.273
(code points); IEC 61966-2-1 (sRGB); Adobe RGB (1998) Color Image Encoding.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

HEAD_NBYTES = 128
MOST_OFF_WHITE = 0.35  # old profiles have the white of D65, which is 0.26 off
COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # g, a, b, c, d of a parametric curve of type 3
D50 = (0.9642, 1.0, 0.8249)  # the white that profiles connect by
D65, D65_CIE, C, DCI = (0.3127, 0.3290), (0.31272, 0.32903), (0.310, 0.316), (0.314, 0.351)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


class Primaries(NamedTuple):
    """Chromaticities x, y."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]


SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
ADOBE_GAMMA = 563 / 256
CODED = {  # by H.273, table 2
    1: SRGB,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}  # by H.273, table 3; the curves of television are shown as that of sRGB
HDR = {16: "pq", 18: "hlg"}


def of_codes(primaries: int, transfer: int, *, gray: bool = False) -> bytes:
    """The profile of an H.273 pair; empty where it is sRGB, unspecified, or for no screen of ours (see HDR)."""
    gamma = GAMMAS.get(transfer, 0.0)
    if gray:
        return gray_profile(gamma) if gamma else b""
    if primaries not in CODED or (CODED[primaries] == SRGB and not gamma):
        primaries = 1 if gamma else 0
    return matrix_profile(CODED[primaries], gamma) if primaries else b""


def of_gamma(gamma: float, primaries: Primaries | None, *, gray: bool = False) -> bytes:
    """The profile of PNG's gAMA (as the exponent of a display, 0 for unsaid) and cHRM; empty where it is sRGB.

    A gamma within 2 % of 2.2 is the curve of sRGB: the file's number is a summary of it.
    """
    curve = 0.0 if not gamma or abs(gamma - 2.2) < 0.044 else gamma
    if gray:
        return gray_profile(curve) if curve else b""
    primaries = SRGB if primaries is None else primaries
    known = np.abs(np.subtract(primaries, SRGB)).max() < 0.002
    return b"" if known and not curve else matrix_profile(SRGB if known else primaries, curve)


def _makes_white(profile: bytes) -> bool:
    """Whether the colorants of a profile of three primaries sum up to the white of D50, as they must (ICC.1, F.3)."""
    if len(profile) < HEAD_NBYTES + 4:
        return True
    (count,) = struct.unpack_from(">I", profile, HEAD_NBYTES)
    places = {}
    for at in range(HEAD_NBYTES + 4, min(HEAD_NBYTES + 4 + 12 * min(count, 200), len(profile) - 11), 12):
        name, start, nbytes = struct.unpack_from(">4sII", profile, at)
        places[name] = start if nbytes >= 20 and start + 20 <= len(profile) else 0
    if b"A2B0" in places or not all(places.get(name) for name in COLORANTS):
        return True
    colours = np.array([struct.unpack_from(">3i", profile, places[name] + 8) for name in COLORANTS]) / 65536
    off_white = np.abs(colours.sum(axis=0) - D50).max()
    return bool(off_white < MOST_OFF_WHITE and abs(np.linalg.det(colours)) > 1e-4)


@lru_cache(maxsize=64)
def matrix_profile(primaries: Primaries, gamma: float) -> bytes:
    """A display profile of three primaries and one curve: x ** gamma, or that of sRGB for a gamma of 0.

    Empty where the chromaticities make no triangle.
    """
    columns = colorants(primaries)
    if columns is None:
        return b""
    curve = _parametric(0, (gamma,)) if gamma else _parametric(3, SRGB_CURVE)
    points = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)}
    return _file(b"RGB ", points | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


@lru_cache(maxsize=64)
def gray_profile(gamma: float) -> bytes:
    """A display profile of gray: x ** gamma."""
    return _file(b"GRAY", {b"kTRC": _parametric(0, (gamma,))})


def _file(space: bytes, own: dict[bytes, bytes]) -> bytes:
    """A display profile of a colour space, from tags of its own."""
    tags = {b"desc": _text("made of the codes in a file"), b"cprt": _text("no copyright"), b"wtpt": _xyz(D50), **own}
    at, table, content = HEAD_NBYTES + 4 + 12 * len(tags), [], []
    for name, tag in tags.items():
        table.append(struct.pack(">4sII", name, at, len(tag)))
        content.append(tag)
        at += len(tag)
    head = struct.pack(
        ">I4sI4s4s4s12s4s4s24x12s48x", at, b"\0" * 4, 0x04300000, b"mntr", space, b"XYZ ",
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0), b"acsp", b"\0" * 4, struct.pack(">3i", *map(_fixed, D50)),
    )  # fmt: skip
    return b"".join((head, struct.pack(">I", len(tags)), *table, *content))


def trimmed(profile: bytes) -> bytes:
    """The profile without what lies behind its last tag: some writers pad it to more than a megabyte.

    Of one whose primaries make no white only the signature is left, which nobody takes for a profile.
    """
    if not _makes_white(profile):
        return profile[:4]
    if len(profile) < HEAD_NBYTES + 4:
        return profile
    (count,) = struct.unpack_from(">I", profile, HEAD_NBYTES)
    end = HEAD_NBYTES + 4 + 12 * count
    if count > 200 or end > len(profile):
        return profile
    for at in range(HEAD_NBYTES + 4, end, 12):
        start, nbytes = struct.unpack_from(">II", profile, at + 4)
        end = max(end, start + nbytes)
    end = -(-end // 4) * 4
    return struct.pack(">I", end) + profile[4:end] if end < len(profile) else profile


def colorants(primaries: Primaries) -> np.ndarray[Any, Any] | None:
    """(3, 3): X, Y, Z of red, green and blue in columns, seen under D50."""
    if min(y for _, y in primaries) <= 0:
        return None
    xyz = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    colours, white = xyz[:, :3], xyz[:, 3]
    if abs(np.linalg.det(colours)) < 1e-6:
        return None
    colours = colours * np.linalg.solve(colours, white)
    cones = (BRADFORD @ np.array(D50)) / (BRADFORD @ white)
    adapted: np.ndarray[Any, Any] = np.linalg.inv(BRADFORD) @ (cones[:, None] * (BRADFORD @ colours))
    return adapted


def _fixed(value: float) -> int:
    """s15Fixed16Number."""
    return round(value * 65536)


def _xyz(values: Any) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(_fixed(float(value)) for value in values))


def _parametric(kind: int, values: tuple[float, ...]) -> bytes:
    return struct.pack(f">4s4xHxx{len(values)}i", b"para", kind, *map(_fixed, values))


def _text(words: str) -> bytes:
    """A multiLocalizedUnicodeType of one record, padded to four bytes."""
    packed = words.encode("utf-16-be")
    return (
        struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(packed), 28) + packed + bytes(-len(packed) % 4)
    )
