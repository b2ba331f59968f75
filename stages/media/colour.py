"""The numbers between RGB and YUV: which matrix, which levels. No pixel is touched here.

Source of the formulas: Rec. ITU-R BT.601-7 and BT.709-6, 3.2 to 3.5; BT.2020-2, table 4 (non-constant luminance).
"""

from __future__ import annotations

from pipeline.contracts.spec import SUBSAMPLING, WHITE, Spec

__all__ = ["HD_HEIGHT", "LUMA", "SUBSAMPLING", "levels", "to_rgb", "to_yuv"]

# Shares of red and of blue in luma.
LUMA = {
    "bt601": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}
HD_HEIGHT = 720  # pictures of this number of lines and more are HD where nothing says so
MatrixRow = tuple[float, float, float, float]
Matrix = tuple[MatrixRow, MatrixRow, MatrixRow]


def levels(dtype: str, range_: str) -> tuple[float, float, float, float]:
    """Black and the height of white above it in luma, zero and the height of 1 above it in chroma, in levels.

    uint16 is the full scale of 16 bits: the levels of 8 bits times 256 where the range is limited.
    """
    if range_ == "limited":
        unit = 1 if dtype == "uint8" else 256
        return 16 * unit, 219 * unit, 128 * unit, 224 * unit
    return 0, WHITE[dtype], (WHITE[dtype] + 1) / 2, WHITE[dtype]


def to_rgb(spec: Spec) -> Matrix:
    """Rows for R, G, B on the levels Y, U, V, 1 of a YUV Spec; the result is full range, in the same dtype."""
    red, blue = LUMA[spec.matrix]
    green = 1 - red - blue
    black, luma, zero, chroma = levels(spec.dtype, spec.range)
    white = spec.white
    shares = (
        (0.0, 2 * (1 - red)),
        (-2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green),
        (2 * (1 - blue), 0.0),
    )
    y = white / luma
    rows = []
    for of_u, of_v in shares:
        u, v = of_u * white / chroma, of_v * white / chroma
        rows.append((y, u, v, -y * black - (u + v) * zero))
    return rows[0], rows[1], rows[2]


def to_yuv(spec: Spec) -> Matrix:
    """Rows for Y, U, V of this YUV Spec on the levels R, G, B, 1 of full range in the same dtype."""
    red, blue = LUMA[spec.matrix]
    black, luma, zero, chroma = levels(spec.dtype, spec.range)
    white = spec.white
    y = (red, 1 - red - blue, blue)
    u = tuple((share - part) / (2 * (1 - blue)) for share, part in zip((0.0, 0.0, 1.0), y, strict=True))
    v = tuple((share - part) / (2 * (1 - red)) for share, part in zip((1.0, 0.0, 0.0), y, strict=True))

    def row(shares: tuple[float, ...], scale: float, offset: float) -> MatrixRow:
        return shares[0] * scale / white, shares[1] * scale / white, shares[2] * scale / white, offset

    return row(y, luma, black), row(u, chroma, zero), row(v, chroma, zero)
