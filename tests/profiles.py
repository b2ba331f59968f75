"""ICC profiles made for tests: wide RGB spaces, gray, and a small CMYK table (ICC.1:2022)."""

from __future__ import annotations

import itertools
import struct

XYZ = tuple[tuple[float, float, float], ...]
P3: XYZ = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))  # D50-adapted
ADOBE: XYZ = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB: XYZ = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
D50 = (0.9642, 1.0, 0.8249)


def rgb(colorants: XYZ, gamma: float) -> bytes:
    """A matrix profile of these colorants with one gamma for all channels."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {name: _xyz(value) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def gray(gamma: float) -> bytes:
    """A gray profile of one gamma."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))})


def cmyk() -> bytes:
    """Two grid points an ink: cyan is dark and bluish, unlike what 255 - ink says."""
    inks = ((-35.0, -20, -45), (-50.0, 70, -5), (-10.0, -5, 90), (-90.0, 0, 0))  # what full ink does to L, a, b
    table = bytearray()
    for amounts in itertools.product((0, 1), repeat=4):
        lightness, a, b = 100.0, 0.0, 0.0
        for amount, (light, red, yellow) in zip(amounts, inks, strict=True):
            lightness, a, b = lightness + amount * light, a + amount * red, b + amount * yellow
        table += bytes((round(max(0, lightness) * 2.55), round(min(127, max(-128, a)) + 128), round(b + 128) & 255))
    ramp = bytes(range(256))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + unit + ramp * 4 + bytes(table) + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": lut}, b"prtr")


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in value))


def _text(tag: bytes, text: bytes) -> bytes:
    return b"text" + bytes(4) + text + b"\0" if tag == b"cprt" else (
        b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
    )  # fmt: skip


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {b"desc": _text(b"desc", b"made for a test"), b"cprt": _text(b"cprt", b"CC0"), b"wtpt": _xyz(D50), **tags}
    at = 128 + 4 + 12 * len(tags)
    index, content = b"", b""
    for name, data in tags.items():
        index += name + struct.pack(">II", at + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s", at + len(content), 0x02400000, kind, space, connection)
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(part * 65536) for part in D50)) + bytes(48)
    return header + struct.pack(">I", len(tags)) + index + content
