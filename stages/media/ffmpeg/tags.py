"""Code points of colour as FFmpeg numbers them (ITU-T H.273), under the names of `Spec`."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from pipeline.contracts.spec import Spec
from stages.media.colour import HD_HEIGHT

# Code points of ITU-T H.273 (and of FFmpeg's AVCOL_*), as `Spec` names them. What is not here is "unspecified".
MATRIX_CODES = {
    0: "identity", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "bt601", 7: "smpte240m", 8: "ycgco", 9: "bt2020",
    10: "bt2020_cl", 14: "ictcp",
}  # fmt: skip
PRIMARIES_CODES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "bt601", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "xyz", 11: "p3_dci",
    12: "p3", 22: "ebu3213",
}  # fmt: skip
TRANSFER_CODES = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "bt601", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "xvycc", 12: "bt1361", 13: "srgb", 14: "bt2020_10", 15: "bt2020_12", 16: "pq", 17: "smpte428", 18: "hlg",
}  # fmt: skip
RANGE_CODES = {1: "limited", 2: "full"}
UNSPECIFIED = 2  # the code point of that name, for matrix, primaries and transfer alike


class Tags(NamedTuple):
    """The four colour code points of a stream, as FFmpeg numbers them."""

    matrix: int
    primaries: int
    transfer: int
    range: int


def tags_of(spec: Spec) -> Tags:
    """The code points that say what a Spec says; 2 and 0 where it does not."""
    primaries = "bt709" if spec.primaries == "srgb" else spec.primaries
    return Tags(
        _code(MATRIX_CODES, spec.matrix), _code(PRIMARIES_CODES, primaries), _code(TRANSFER_CODES, spec.transfer),
        1 if spec.range == "limited" else 2,
    )  # fmt: skip


def _code(codes: dict[int, str], name: str) -> int:
    return next((code for code, known in codes.items() if known == name), UNSPECIFIED)


def colour(tags: Tags, height: int, *, yuv: bool) -> dict[str, str]:
    """What a Spec says of colours, from the tags of a stream; where there are none, what its height lets expect.

    Untagged video of 720 lines and more is BT.709, of 576 and 288 lines BT.601 of 625 lines, other SD BT.601 of 525;
    its range is limited. That is what players do, and what cameras and encoders that write no tags mean.
    """
    matrix = MATRIX_CODES.get(tags.matrix, "unspecified")
    primaries = PRIMARIES_CODES.get(tags.primaries, "unspecified")
    transfer = TRANSFER_CODES.get(tags.transfer, "unspecified")
    usual = "bt709" if height >= HD_HEIGHT else "bt470bg" if height in (576, 288) else "bt601"
    if matrix == "unspecified" and yuv:
        matrix = primaries if primaries in ("bt709", "bt470bg", "bt601", "bt2020") else usual
    if primaries == "unspecified":
        primaries = matrix if matrix in ("bt709", "bt470bg", "bt601", "bt2020") else usual
    if transfer == "unspecified":
        transfer = {"bt709": "bt709", "bt2020": "bt2020_10"}.get(primaries, "bt601")
    range_ = RANGE_CODES.get(tags.range, "limited" if yuv else "full")
    return {"matrix": matrix, "primaries": primaries, "transfer": transfer, "range": range_}


def sar_of(value: Fraction | None) -> tuple[int, int]:
    """A sample aspect ratio in lowest terms that a Spec can hold; 1:1 where a file says nothing or nonsense."""
    if not value or value <= 0:
        return (1, 1)
    near = Fraction(value).limit_denominator(65535)
    while near.numerator > 65535:
        near = near.limit_denominator(max(1, near.denominator // 2))
    return (near.numerator, near.denominator) if 0 < near.numerator <= 65535 else (1, 1)
