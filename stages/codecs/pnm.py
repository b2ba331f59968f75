"""PBM, PGM and PPM, plain and binary, with numpy alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline import STRICT, Codec, Colour, DecodeContext, Frame, Header, ItemError, Pixels, Spec
from stages.media import signatures
from stages.media.background import flattened, require_opaque

GAP = rb"(?:[ \t\n\v\f\r]|#[^\n\r]*[\n\r])+"  # white space and comments
HEAD = re.compile(rb"P(?:([14])" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})"
                  rb"|([2356])" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9}))"
                  rb"[ \t\n\v\f\r]")  # fmt: skip
BLANK = np.zeros(256, bool)
BLANK[list(b" \t\n\v\f\r")] = True


class _Head(NamedTuple):
    kind: int  # 1 to 6, as in the magic number
    width: int
    height: int
    most: int  # the largest sample, which is white
    start: int  # of the samples

    @property
    def samples(self) -> int:
        return 3 if self.kind in (3, 6) else 1

    @property
    def dtype(self) -> str:
        return "uint8" if self.most < 256 else "uint16"

    @property
    def nbytes(self) -> int:
        """Of the samples; at least that number where they are text."""
        count = self.width * self.height * self.samples
        if self.kind == 4:
            return self.height * (-(-self.width // 8))
        if self.kind > 4:
            return count * (1 if self.most < 256 else 2)
        return count if self.kind == 1 else 2 * count - 1


@dataclass(frozen=True)
class Pnm(Codec):
    """Netpbm's portable bit, gray and pixel maps, P1 to P6; of a stream of pictures the first is read.

    Decodes to gray or rgb (H, W, C), uint8 where the largest sample is below 256, else uint16; samples are stretched
    to the range of the dtype, exactly where it is theirs. Encodes P5 and P6 of 8 and 16 bits, whatever the extension;
    transparency is flattened over `background`; the format keeps no profile.
    """

    background: Colour = field(
        default=Colour(255, 255, 255),
        metadata={"doc": "opaque colour that rgba and gray_alpha pictures are flattened over"},
    )

    extensions: ClassVar[tuple[str, ...]] = ("ppm", "pgm", "pbm", "pnm")
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16")
    example: ClassVar[Mapping[str, Any]] = {"background": "#ffffff"}

    def __post_init__(self) -> None:
        require_opaque(self.background)

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "pnm"

    def header(self, data: memoryview) -> Header:
        """Read the headers of all pictures; looks at no sample.

        Raises:
            ItemError: damaged, or fewer bytes than its size needs.
        """
        head = _head(data, 0)
        frames, at = 1, head.start + head.nbytes
        while head.kind > 3 and (more := HEAD.match(data, at)):  # binary pictures may stand one after the other
            following = _head(data, at, more)
            frames, at = frames + 1, following.start + following.nbytes
        return Header(Spec.of("rgb" if head.samples == 3 else "gray", head.height, head.width, dtype=head.dtype),
                      frames=frames)  # fmt: skip

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode into `out`, (H, W, 1 or 3) of `spec`.

        Raises:
            ItemError: samples that are missing, no numbers, or above the largest.
        """
        head = _head(data, 0)
        shape = (head.height, head.width, head.samples)
        if shape != out.shape:
            raise ItemError(f"damaged PNM: its header says {shape}, wanted is {out.shape} (H, W, C)")
        samples = _binary(data, head) if head.kind > 3 else _plain(data, head)
        top = 255 if head.dtype == "uint8" else 65535
        if head.most != top:
            if (samples > head.most).any():
                raise ItemError(f"damaged PNM: a sample above the largest, {head.most}")
            samples = (samples.astype(np.uint32) * top + head.most // 2) // head.most
        elif samples.itemsize > 2 and (samples > top).any():
            raise ItemError(f"damaged PNM: a sample above the largest, {top}")
        out[...] = samples.reshape(shape)

    def encode(self, frame: Frame) -> bytes:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4), uint8 or uint16, any alpha last.

        Raises:
            SpecError: another dtype or colour model.
        """
        spec, pixels = frame.spec, frame.pixels
        spec.require(dtype=("uint8", "uint16"), model=self.models)
        if spec.has_alpha:
            pixels = flattened(pixels, spec, self.background)
        kind, top = 6 if pixels.shape[2] == 3 else 5, 255 if spec.dtype == "uint8" else 65535
        head = b"P%d\n%d %d\n%d\n" % (kind, spec.width, spec.height, top)
        return b"".join((head, np.ascontiguousarray(pixels, ">u2" if top > 255 else np.uint8).data))


def _head(data: memoryview, at: int, found: re.Match[bytes] | None = None) -> _Head:
    """The header that begins here; raises ItemError where it is damaged or the file is too short for it."""
    found = found or HEAD.match(data, at)
    if found is None:
        raise ItemError("damaged PNM: no width, height and largest sample, or cut short within them")
    numbers = [int(text) for text in found.groups() if text is not None]
    kind, width, height, most = numbers if len(numbers) == 4 else (*numbers, 1)
    if not width or not height or not 0 < most < 65536:
        raise ItemError(f"damaged PNM: {width}x{height} pixels, largest sample {most}")
    head = _Head(kind, width, height, most, found.end())
    if head.start + head.nbytes > len(data):
        raise ItemError(f"truncated PNM: {len(data)} of {head.start + head.nbytes} bytes are there")
    return head


def _binary(data: memoryview, head: _Head) -> Pixels:
    """Samples of P4, P5 and P6 as they are stored; in a bit map 1 is black, here 0 is."""
    raw = np.frombuffer(data[head.start : head.start + head.nbytes], np.uint8)
    if head.kind > 4:
        return raw if head.most < 256 else raw.view(">u2")
    return 1 - np.unpackbits(raw.reshape(head.height, -1), axis=1)[:, : head.width]


def _plain(data: memoryview, head: _Head) -> Pixels:
    """Samples of P1, P2 and P3, decimal numbers between white space; those of P1 are digits that may touch."""
    text = re.sub(rb"#[^\n\r]*", b"", data[head.start :])
    count = head.width * head.height * head.samples
    characters = np.frombuffer(text, np.uint8)
    if not (BLANK[characters] | ((characters >= 48) & (characters <= (49 if head.kind == 1 else 57)))).all():
        raise ItemError("damaged PNM: its samples are not numbers")
    if head.kind == 1:
        samples: Pixels = 49 - characters[~BLANK[characters]]
    else:
        samples = np.fromstring(text, np.int64, sep=" ")[: None if text.strip() else 0]  # of blanks it makes one 0
    if len(samples) < count:
        raise ItemError(f"truncated PNM: {len(samples)} of {count} samples are there")
    return samples[:count]
