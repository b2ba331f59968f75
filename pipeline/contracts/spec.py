"""Spec: what the bytes of a frame mean, and its code of a few bytes in a record."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..errors import SpecError

if TYPE_CHECKING:
    import numpy as np

Pixels: TypeAlias = "np.ndarray[Any, Any]"  # an array of samples; text, so that nothing here imports numpy


DTYPES = ("uint8", "uint16", "float32")


MODELS = ("gray", "gray_alpha", "rgb", "rgba", "cmyk", "yuv420", "yuv422", "yuv444", "other")


RANGES = ("full", "limited")


# Names of ITU-T H.273's code points as far as files use them; "bt601" is 525 lines (SMPTE 170M), "bt470bg" 625.
MATRICES = (
    "unspecified", "bt601", "bt709", "bt2020", "bt470bg", "fcc", "smpte240m", "identity", "ycgco", "bt2020_cl", "ictcp",
)  # fmt: skip


PRIMARIES = (
    "unspecified", "srgb", "bt601", "bt709", "bt2020", "p3", "adobe_rgb", "icc", "bt470bg", "bt470m", "smpte240m",
    "film", "xyz", "p3_dci", "ebu3213",
)  # fmt: skip


TRANSFERS = (
    "unspecified", "bt709", "bt601", "srgb", "linear", "pq", "hlg", "gamma22", "gamma28", "smpte240m", "bt2020_10",
    "bt2020_12", "log100", "log316", "xvycc", "bt1361", "smpte428",
)  # fmt: skip


HDR = ("pq", "hlg")


SUBSAMPLING = {"yuv420": (2, 2), "yuv422": (1, 2), "yuv444": (1, 1)}  # luma samples for each of chroma: down, across


MAX_SIDE = (1 << 32) - 1


ITEMSIZE = {"uint8": 1, "uint16": 2, "float32": 4}


WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}  # the largest sample of each dtype


CHANNELS = {"gray": 1, "gray_alpha": 2, "rgb": 3, "rgba": 4, "cmyk": 4, "yuv420": 3, "yuv422": 3, "yuv444": 3}


PICTURES = ("gray", "gray_alpha", "rgb", "rgba")  # models of pixels whose colours every stage knows


# Height, width, full height, full width; SAR across, down; channels, dtype, model, light, matrix, primaries,
# orientation.
_CODE = struct.Struct("<IIIIHH7B")


CODE_NBYTES = _CODE.size
LIGHT = tuple(product(RANGES, TRANSFERS))  # the pairs that one byte of the code counts


class Size(NamedTuple):
    """Height and width in pixels, in the order of the array axes."""

    height: int
    width: int


@dataclass(frozen=True)
class Spec:
    """What the bytes of a frame mean; immutable, hashable, 27 bytes on the wire.

    Attributes:
        height, width: of the array as it lies in memory, in pixels.
        channels: samples per pixel.
        dtype: one of DTYPES.
        model: colour model, one of MODELS.
        range, matrix, primaries, transfer: how samples map to light; "unspecified" is kept as such, never guessed.
            Primaries of "icc" mean that the frame's ICC profile says it, and that it has not been applied yet. The
            matrix of an rgb frame is the one it came from YUV by, so that it can go back the same way.
        orientation: EXIF tag 1..8; what the rows and columns still mean until a stage applies it.
        full_height, full_width: the size before shrink-on-load. A decoder that shrank keeps the size of the
            file here, so that the last resize rounds and weighs its edges as if it had seen every pixel.
            0 stands for "as `height` and `width`".
        sar: sample aspect ratio, width to height of one pixel as it is to be shown; in lowest terms, 0 < each < 65536.

    Deep YUV is uint16 on the full scale of 16 bits: a sample of 10 bits is shifted left by 6.
    """

    height: int
    width: int
    channels: int = 3
    dtype: str = "uint8"
    model: str = "rgb"
    range: str = "full"
    matrix: str = "unspecified"
    primaries: str = "unspecified"
    orientation: int = 1
    full_height: int = 0
    full_width: int = 0
    transfer: str = "unspecified"
    sar: tuple[int, int] = (1, 1)

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # a hash of text is of one process

    @cached_property
    def _hash(self) -> int:
        return hash((self.height, self.width, self.full_height, self.full_width, self.channels, self.dtype, self.model))

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels < 1:
            raise SpecError(
                f"a frame of {self.height}x{self.width}x{self.channels} (H x W x C) has no pixels",
                limit="each at least 1",
            )
        if not self.full_height:
            object.__setattr__(self, "full_height", self.height)
            object.__setattr__(self, "full_width", self.width)

    @classmethod
    def of(cls, model: str, height: int, width: int, **more: Any) -> Spec:
        """The Spec of a colour model with the number of channels that belongs to it."""
        return cls(height, width, CHANNELS[model], model=model, **more)

    @property
    def size(self) -> Size:
        return Size(self.height, self.width)

    @property
    def full_size(self) -> Size:
        return Size(self.full_height, self.full_width)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The array's shape: (H, W, C), or (N,) for the yuv models, whose planes lie one after the other."""
        return (self.samples,) if self.is_yuv else (self.height, self.width, self.channels)

    @property
    def is_yuv(self) -> bool:
        return self.model in SUBSAMPLING

    @property
    def is_hdr(self) -> bool:
        """Whether the samples are coded for a display of more than 100 nits: PQ or HLG."""
        return self.transfer in HDR

    @cached_property
    def chroma(self) -> Size:
        """Size of each of the two chroma planes of a yuv model; halves round up, as in every codec."""
        down, across = SUBSAMPLING[self.model]
        return Size(-(-self.height // down), -(-self.width // across))

    @cached_property
    def samples(self) -> int:
        """Number of samples of a frame."""
        if self.is_yuv:
            return self.height * self.width + 2 * self.chroma.height * self.chroma.width
        return self.height * self.width * self.channels

    @cached_property
    def nbytes(self) -> int:
        return self.samples * ITEMSIZE[self.dtype]

    def planes(self, pixels: Pixels) -> tuple[Pixels, ...]:
        """The planes Y (H, W), U and V (`chroma`) of a yuv frame's flat array, as views one after the other."""
        luma, chroma = self.height * self.width, self.chroma.height * self.chroma.width
        return (
            pixels[:luma].reshape(self.size),
            pixels[luma : luma + chroma].reshape(self.chroma),
            pixels[luma + chroma :].reshape(self.chroma),
        )

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha: straight, from 0 (clear) to `white` (opaque)."""
        return self.model in ("gray_alpha", "rgba")

    @property
    def base_model(self) -> str:
        """The colour model without alpha."""
        return {"gray_alpha": "gray", "rgba": "rgb"}.get(self.model, self.model)

    @property
    def white(self) -> int:
        """The largest sample: 255, 65535, or 1 of floats."""
        return WHITE[self.dtype]

    def in_model(self, model: str) -> Spec:
        """The same picture in another colour model, with the number of channels that belongs to it."""
        return replace(self, model=model, channels=CHANNELS[model])

    def resized(self, height: int, width: int) -> Spec:
        """The same picture at another size, with no memory of a shrink-on-load."""
        return replace(self, height=height, width=width, full_height=height, full_width=width)

    def shrunk(self, height: int, width: int) -> Spec:
        """The same picture as a decoder that shrinks on load gives it; the full size is kept."""
        return replace(self, height=height, width=width)

    def require(
        self, *, dtype: str | tuple[str, ...] | None = None, model: str | tuple[str, ...] | None = None
    ) -> Spec:
        """This Spec, if it has one of the dtypes and colour models asked for.

        Raises:
            SpecError: names what is wanted and what was got; the engine adds the stage.
        """
        if (dtype is None or dtype == self.dtype) and (model is None or (type(model) is tuple and self.model in model)):
            return self
        for what, want, got in (("dtype", dtype, self.dtype), ("colour model", model, self.model)):
            wanted = (want,) if isinstance(want, str) else want
            if wanted is not None and got not in wanted:
                raise SpecError(f"wants {what} {' or '.join(wanted)}, got {got}", remedy="convert before this stage")
        return self

    def require_pixels(self) -> Spec:
        """This Spec, if its array is (H, W, C): any colour model but YUV, whose samples lie in planes.

        Raises:
            SpecError: it is YUV.
        """
        if self.model in SUBSAMPLING:
            raise SpecError(f"wants pixels in order HWC, got {self} in planes", remedy="put rgb before this stage")
        return self

    def require_picture(self, *, dtype: str | tuple[str, ...] | None = None) -> Spec:
        """This Spec, if it is gray or rgb with or without alpha, (H, W, C), and of one of these dtypes.

        Raises:
            SpecError: another colour model or dtype, or YUV in planes.
        """
        return self.require_pixels().require(dtype=dtype, model=PICTURES)

    def require_channels(self, most: int) -> Spec:
        """This Spec, if its array is (H, W, C) of at most `most` channels, in any colour model.

        Raises:
            SpecError: more channels, or YUV in planes.
        """
        if self.require_pixels().channels > most:
            raise SpecError(f"wants 1 to {most} channels, got {self.channels}", remedy="convert before this stage")
        return self

    def pack(self) -> bytes:
        """The 27 bytes that stand for this Spec in a record."""
        if max(self.height, self.width, self.full_height, self.full_width) > MAX_SIDE:
            raise SpecError(f"a side of {self} is too long", limit=f"at most {MAX_SIDE} pixels")
        return _CODE.pack(
            self.height, self.width, self.full_height, self.full_width, *self.sar,
            self.channels, DTYPES.index(self.dtype), MODELS.index(self.model),
            LIGHT.index((self.range, self.transfer)), MATRICES.index(self.matrix), PRIMARIES.index(self.primaries),
            self.orientation,
        )  # fmt: skip

    @classmethod
    def unpack(cls, code: bytes) -> Spec:
        """The Spec that `pack` made these 27 bytes from."""
        height, width, full_height, full_width, across, down, channels, dtype, model, light, matrix, primaries, turn = (
            _CODE.unpack(code)
        )
        range_, transfer = LIGHT[light]
        return cls(
            height, width, channels, DTYPES[dtype], MODELS[model], range_, MATRICES[matrix], PRIMARIES[primaries],
            orientation=turn, full_height=full_height, full_width=full_width, transfer=transfer, sar=(across, down),
        )  # fmt: skip

    def __str__(self) -> str:
        text = f"{self.width}x{self.height} {self.model} {self.dtype}"
        if self.full_size != self.size:
            text += f" (of {self.full_width}x{self.full_height})"
        if self.sar != (1, 1):
            text += f" sar {self.sar[0]}:{self.sar[1]}"
        return text + (f" orientation {self.orientation}" if self.orientation != 1 else "")
