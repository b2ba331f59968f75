"""AVIF through Pillow (libavif, one thread); 10 and 12 bits through OpenCV, which is imported for such files only."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pipeline import Codec, Frame, Header, ItemError, Metadata, Pixels, Spec

if TYPE_CHECKING:
    from PIL.AvifImagePlugin import AvifImageFile

MOST = 32768  # rows and columns that libavif decodes
MODELS = {"L": "gray", "LA": "gray_alpha", "RGB": "rgb", "RGBA": "rgba"}  # by Pillow's mode
BRANDS = (b"avif", b"avis")
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, RuntimeError, OverflowError, MemoryError,
          struct.error)  # fmt: skip


@dataclass(frozen=True)
class Avif(Codec):
    """AVIF with transparency; of a sequence the first frame is read.

    Decodes to gray, rgb or rgba (H, W, C), uint8; files of 10 and 12 bits to uint16, stretched to its range; straight
    alpha last. `irot` and `imir` become the orientation of the Spec. Encodes uint8; an ICC profile is kept.
    """

    quality: int = field(default=75, metadata={"ge": 1, "le": 100, "doc": "libavif's scale; 50 small, 90 fine"})
    subsampling: Literal["420", "422", "444"] = field(
        default="420",
        metadata={"doc": "resolution of colour: 420 a quarter, 422 a half, 444 all (sharp coloured edges)"},
    )
    speed: int = field(
        default=6, metadata={"ge": 0, "le": 10, "doc": "of the encoder: 0 takes minutes, 10 makes larger files"}
    )

    extensions: ClassVar[tuple[str, ...]] = ("avif", "avifs")
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    example: ClassVar[Mapping[str, Any]] = {"quality": 60}

    def open(self) -> None:
        from PIL import AvifImagePlugin  # noqa: F401 - loaded before the first frame, not within it

    def matches(self, head: bytes) -> bool:
        """A brand of AVIF, the major one or, for general containers, among the first four that it is compatible to."""
        if head[4:8] != b"ftyp":
            return False
        if head[8:12] in BRANDS:
            return True
        end = min(len(head), int.from_bytes(head[:4], "big"))
        brands = [head[at : at + 4] for at in range(16, end - 3, 4)]
        return head[8:12] in (b"mif1", b"msf1", b"miaf") and any(brand in BRANDS for brand in brands)

    def header(self, data: memoryview) -> Header:
        """Read the boxes; decodes no pixel.

        Raises:
            ItemError: cut short, damaged, or nothing that libavif knows.
        """
        depth = _depth(data)
        with _opened(data) as image:
            exif, xmp = image.info.get("exif", b""), image.info.get("xmp", b"")
            icc, frames = image.info.get("icc_profile", b""), image.n_frames
            turn = image.getexif().get(0x0112, 1) if exif else 1
            mode, (width, height) = image.mode, image.size
        if mode not in MODELS or not width or not height:
            raise ItemError(f"damaged AVIF: {width}x{height} pixels of mode {mode}")
        turn = turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
        dtype = "uint8" if depth == 8 else "uint16"
        spec = Spec.of(MODELS[mode], height, width, dtype=dtype, orientation=turn)
        return Header(spec, Metadata(icc, exif.removeprefix(b"Exif\0\0"), xmp), frames)

    def scratch_nbytes(self, spec: Spec) -> int:
        """Planes of up to 2 bytes a sample, libavif's answer, Pillow's picture and one copy."""
        return 20 * spec.height * spec.width

    def decode(self, data: memoryview, spec: Spec, out: Pixels) -> None:
        """Decode the first frame into `out`, (H, W, C) of `spec`.

        Raises:
            ItemError: damaged or truncated.
        """
        if spec.dtype == "uint16":
            pixels = _deep(data, _depth(data))
        else:
            with _opened(data) as image:
                pixels = np.asarray(image)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != out.shape:
            raise ItemError(f"damaged AVIF: decoded to {pixels.shape}, its header says {spec.shape} (H, W, C)")
        out[...] = pixels

    def encode(self, frame: Frame) -> memoryview:
        """The file; `frame.pixels` is C-contiguous (H, W, 1 to 4) uint8, any alpha last.

        Raises:
            SpecError: another dtype or colour model. ItemError: more rows or columns than decoders take.
        """
        from PIL import AvifImagePlugin, Image  # noqa: F401 - the plugin enters itself, and Pillow looks no further

        spec, pixels, icc = frame.spec, frame.pixels, frame.metadata.icc
        spec.require(dtype="uint8", model=self.models)
        if max(spec.size) > MOST:
            raise ItemError(f"{spec.width}x{spec.height} pixels", limit=f"AVIF holds {MOST} a side", remedy="resize")
        if spec.model == "gray_alpha":  # libavif's encoder takes alpha beside colour only
            pixels = pixels[:, :, [0, 0, 0, 1]]
            icc = b"" if icc[16:20] == b"GRAY" else icc  # a profile of gray means nothing for rgb
        subsampling = "4:0:0" if spec.channels == 1 else ":".join(self.subsampling)
        file = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if spec.channels == 1 else pixels).save(
            file, "AVIF", quality=self.quality, subsampling=subsampling, speed=self.speed, icc_profile=icc,
            max_threads=1,
        )  # fmt: skip
        return file.getbuffer()


@contextlib.contextmanager
def _opened(data: memoryview) -> Iterator[AvifImageFile]:
    """Pillow's picture of a file, read by one thread, for the core is this worker's; what goes wrong is ItemError."""
    from PIL import AvifImagePlugin

    threads, AvifImagePlugin.DEFAULT_MAX_THREADS = AvifImagePlugin.DEFAULT_MAX_THREADS, 1
    try:
        with AvifImagePlugin.AvifImageFile(io.BytesIO(data)) as image:
            yield image
    except DAMAGE as error:
        if isinstance(error, ItemError):
            raise
        raise ItemError(f"damaged AVIF: {' '.join(str(error).split())}") from error
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads


def _depth(data: memoryview) -> int:
    """Bits a sample, from the first AV1 configuration record (AV1-ISOBMFF, 2.3); 8 where there is none.

    Raises:
        ItemError: the boxes do not end where the file does.
    """
    at, depth = 0, 0
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
        elif length == 0:  # up to the end of the file
            length = len(data) - at
        if length < 8 or at + length > len(data):
            break
        if name in (b"meta", b"moov") and not depth:
            box = bytes(data[at : at + length])
            record = box.find(b"av1C")
            if 0 <= record < length - 6:
                depth = (12 if box[record + 6] & 0x20 else 10) if box[record + 6] & 0x40 else 8
        at += length
    if at != len(data):
        raise ItemError(f"truncated AVIF: its boxes do not end with its {len(data)} bytes")
    return depth or 8


def _deep(data: memoryview, depth: int) -> Pixels:
    """Samples of 10 or 12 bits, which Pillow cuts to 8, as uint16 over its full range, in the order r, g, b, a."""
    try:
        import cv2
    except ImportError as error:
        remedy = "apt install libgl1, or install opencv-python-headless"
        raise ItemError(f"AVIF of {depth} bits needs OpenCV: {error}", remedy=remedy) from error
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ItemError(f"damaged AVIF: {' '.join(str(error).split())}") from error
    if pixels is None or pixels.dtype != np.uint16:
        raise ItemError("damaged AVIF: OpenCV gives no pixels")
    if pixels.ndim == 3:
        pixels = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    most = (1 << depth) - 1
    return ((pixels.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)
