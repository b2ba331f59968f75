"""Brings HDR pictures (PQ, HLG) into the range of common screens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline import Frame, Pixels, Size, Spec, Transform
from stages.media import icc, light

CODES = {"bt2020": 9, "p3": 12, "bt709": 1, "srgb": 1}  # by H.273, of frames that say their primaries by a name
A, B, C, D, E, F = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30  # of Hable's curve


@dataclass(frozen=True)
class ToneMap(Transform):
    """Frames whose transfer is PQ or HLG become ones of sRGB's curve; all others pass untouched.

    Takes gray and rgb of uint8 and uint16 (H, W, C), with or without alpha, and keeps dtype and model. `white` becomes
    the white of the output, and what is brighter is pressed below it by the curve, by the brightest of a pixel's three
    channels, so that hues stay. Primaries that the frame names become those of sRGB; those of an ICC profile, as
    decoders make it of the codes in a file, are left to `srgb`. Put it behind `resize`: it takes 60 ns a pixel.
    """

    curve: Literal["hable", "bt2390", "clip"] = field(
        default="bt2390",
        metadata={
            "doc": "bt2390: straight up to a knee, then a smooth shoulder (Rec. ITU-R BT.2390); hable: a film's curve,"
            " darker; clip: what is brighter than `white` is white"
        },
    )
    white: float = field(
        default=203.0, metadata={"gt": 0.0, "unit": "nits", "doc": "diffuse white of the source (BT.2408)"}
    )
    peak: float = field(default=1000.0, metadata={"gt": 0.0, "unit": "nits", "doc": "the brightest of the source"})

    identity_when_equal: ClassVar[bool] = True
    any_colour: ClassVar[bool] = True
    takes_hdr: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"curve": "hable"}

    def output_spec(self, spec: Spec) -> Spec:
        """The same with the transfer of sRGB; raises SpecError for YUV, inks and floats."""
        if not spec.is_hdr:
            return spec
        spec.require(dtype=("uint8", "uint16"), model=("gray", "rgb", "gray_alpha", "rgba"))
        primaries = spec.primaries if spec.primaries == "icc" else "srgb"
        return replace(spec, transfer="srgb", primaries=primaries)

    def required_input(self, spec: Spec, need: Size) -> Size:
        """No more than what is wanted: each pixel is mapped by itself."""
        return need

    def process(self, frame: Frame, out: Pixels) -> None:
        """Write the mapped picture into `out`."""
        spec, pixels = frame.spec, frame.pixels
        colours = spec.channels - spec.has_alpha
        samples = pixels[..., :colours].astype(np.float32) / spec.white
        nits = light.from_pq(samples) if spec.transfer == "pq" else light.from_hlg(samples)
        bright = nits.max(axis=2, keepdims=True)
        shown = nits / self.white * (_mapped(bright, self) / np.maximum(bright / self.white, 1e-9))
        matrix = _to_srgb(spec.primaries) if colours == 3 else None
        if matrix is not None:
            shown = shown @ matrix
        out[..., :colours] = np.rint(light.to_srgb(np.clip(shown, 0, 1)) * spec.white)
        if spec.has_alpha:
            out[..., -1] = pixels[..., -1]


def _mapped(nits: Pixels, how: ToneMap) -> Pixels:
    """The brightest channel, in shares of the output's white."""
    curves: dict[str, Callable[[Pixels, ToneMap], Pixels]] = {"hable": _hable, "bt2390": _bt2390, "clip": _clip}
    return curves[how.curve](nits, how)


def _clip(nits: Pixels, how: ToneMap) -> Pixels:
    return np.minimum(nits / how.white, 1)


def _hable(nits: Pixels, how: ToneMap) -> Pixels:
    """J. Hable, Uncharted 2: HDR Lighting (GDC 2010)."""

    def curve(value: Pixels) -> Pixels:
        return (value * (A * value + C * B) + D * E) / (value * (A * value + B) + D * F) - E / F

    return np.minimum(curve(nits / how.white) / curve(np.array(max(how.peak, how.white) / how.white, np.float32)), 1)


def _bt2390(nits: Pixels, how: ToneMap) -> Pixels:
    """Rec. ITU-R BT.2390-11, 5.4.1: in PQ, from a black of 0 to the output's white."""
    peak = max(how.peak, how.white)
    top = light.to_pq(np.array(peak))
    most = float(light.to_pq(np.array(how.white)) / top)
    knee = 1.5 * most - 0.5
    value = light.to_pq(np.minimum(nits, peak)) / top
    if knee >= 1:
        return np.minimum(nits / how.white, 1)
    share = np.clip((value - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * share**3 - 3 * share**2 + 1) * knee
        + (share**3 - 2 * share**2 + share) * (1 - knee)
        + (-2 * share**3 + 3 * share**2) * most
    )
    mapped = np.where(value < knee, value, spline)
    return light.from_pq(mapped * top) / np.float32(how.white)


@lru_cache(maxsize=16)
def _to_srgb(primaries: str) -> Pixels | None:
    """(3, 3) for row vectors of light; None where the colours stay as they are."""
    code = CODES.get(primaries, 1)
    if code == 1:
        return None
    columns, target = icc.colorants(icc.CODED[code]), icc.colorants(icc.SRGB)
    assert columns is not None
    assert target is not None
    matrix: Pixels = (np.linalg.inv(target) @ columns).T.astype(np.float32)
    return matrix
