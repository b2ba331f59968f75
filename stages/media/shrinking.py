"""By how much decoders shrink, so that the last resize still weighs every pixel of the file."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import Size, Spec

HALVES = (32, 16, 8, 4, 2)  # factors, the largest first


def by_halves(spec: Spec, need: Size, factors: Sequence[int] = HALVES) -> Spec:
    """`spec` shrunk by the largest factor whose size, rounded up, is at least `need` in both axes; or `spec`.

    A side of no more pixels than the factor comes out as 1 for several factors, so nothing is shrunk then. A factor
    whose last row or column is a fraction of a pixel is left out where `orientation` would make it the first: a Spec
    says how wide the picture is, but not at which end the fraction lies.
    """
    height, width = spec.full_height, spec.full_width
    for factor in factors:
        small = Size(-(-height // factor), -(-width // factor))
        turned = (spec.orientation in (3, 4, 6, 7) and height % factor) or (
            spec.orientation in (2, 3, 7, 8) and width % factor
        )
        if max(spec.size) > factor and small.height >= need.height and small.width >= need.width and not turned:
            return spec.shrunk(*small)
    return spec


def factor_of(spec: Spec) -> int:
    """By how much a Spec that `by_halves` gave was shrunk."""
    factor = 1
    while -(-spec.full_height // factor) > spec.height or -(-spec.full_width // factor) > spec.width:
        factor *= 2
    return factor
