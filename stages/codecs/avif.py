"""AVIF: boxes read through Pillow, pixels through imagecodecs, written through Pillow (libavif all, one thread)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pipeline import STRICT, Codec, DecodeContext, Frame, Header, ItemError, Metadata, Picture, Pixels, Size, Spec
from stages.media import exif, heif, icc, pillow_frames, signatures, vips
from stages.media.shrinking import by_halves, factor_of

if TYPE_CHECKING:
    from PIL.AvifImagePlugin import AvifImageFile

MOST = 32768  # rows and columns that libavif decodes
MODELS = {"L": "gray", "LA": "gray_alpha", "RGB": "rgb", "RGBA": "rgba"}  # by Pillow's mode


@dataclass(frozen=True)
class Avif(Codec):
    """AVIF with transparency; of a sequence the first frame is read.

    Decodes to gray, rgb or rgba (H, W, C), uint8; files of 10 and 12 bits to uint16, stretched to its range; straight
    alpha last. `clap` is applied, `irot` and `imir` become the orientation of the Spec. Colours come from the profile,
    or else from the codes in `nclx`. Encodes uint8; an ICC profile, EXIF and XMP are written.
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
    pixels_version: ClassVar[int] = 3
    models: ClassVar[tuple[str, ...]] = ("gray", "rgb", "gray_alpha", "rgba")
    holds: ClassVar[frozenset[str]] = frozenset(("exif", "xmp"))
    example: ClassVar[Mapping[str, Any]] = {"quality": 60}

    def open(self) -> None:
        import imagecodecs  # noqa: F401 - loaded before the first frame, not within it
        from PIL import AvifImagePlugin  # noqa: F401

        vips.library()

    def matches(self, head: bytes) -> bool:
        return signatures.picture(head) == "avif"

    def header(self, data: memoryview) -> Header:
        """Read the boxes; decodes no pixel.

        Raises:
            ItemError: cut short, damaged, or nothing that libavif knows.
        """
        with _opened(data) as image:
            block, xmp = image.info.get("exif", b""), image.info.get("xmp", b"")
            profile, frames = image.info.get("icc_profile", b""), image.n_frames
            turn = image.getexif().get(0x0112, 1) if block else 1
            mode, (width, height) = image.mode, image.size
        if mode not in MODELS or not width or not height:
            raise ItemError(f"damaged AVIF: {width}x{height} pixels of mode {mode}")
        told = heif.properties(data)
        if told.crop is not None:
            _, _, height, width = told.crop.of(height, width)
        profile = icc.trimmed(profile)
        spec = Spec.of(
            MODELS[mode], height, width, dtype="uint16" if told.depth > 8 and frames == 1 else "uint8",
            orientation=turn if isinstance(turn, int) and 1 <= turn <= 8 else 1,
            transfer="unspecified" if profile else icc.HDR.get(told.transfer, "unspecified"),
        )  # fmt: skip
        codes = icc.of_codes(told.primaries, told.transfer, gray=spec.base_model == "gray")
        block = block.removeprefix(exif.EXIF)
        beside = Metadata(profile or codes, block, xmp, density=exif.density(block))
        return Header(spec, beside, frames, plays=0 if frames > 1 else None)

    def shrunk(self, spec: Spec, need: Size) -> Spec:
        """By 1/2, 1/4 ... 1/32, rounded up: pixels are averaged after they were decoded."""
        return by_halves(spec, need)

    def decode(self, data: memoryview, spec: Spec, out: Pixels, how: DecodeContext = STRICT) -> None:
        """Decode the first frame into `out`, (H, W, C) of `spec`; at full size and in 8 bits without another copy.

        Raises:
            ItemError: damaged or truncated.
        """
        told, factor = heif.properties(data), factor_of(spec)
        direct = out if told.crop is None and factor == 1 else None
        pixels = _first_frame(data) if told.is_sequence else _picture(data, direct)
        if direct is not None and np.shares_memory(pixels, direct):
            return
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if told.crop is not None:
            top, left, height, width = told.crop.of(*pixels.shape[:2])
            pixels = pixels[top : top + height, left : left + width]
        whole = (*spec.full_size, spec.channels)
        if pixels.shape != whole or spec.dtype != ("uint16" if pixels.dtype == np.uint16 else "uint8"):
            raise ItemError(f"damaged AVIF: decoded to {pixels.shape}, its header says {whole} (H, W, C)")
        if spec.dtype == "uint16":
            most = (1 << told.depth) - 1
            pixels = ((pixels.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)
        if factor == 1:
            out[...] = pixels
        else:
            vips.averaged(np.ascontiguousarray(pixels), spec, factor, out)

    def pictures(self, data: memoryview, header: Header, how: DecodeContext = STRICT) -> Iterator[Picture]:
        """The frames of a sequence, in 8 bits; a single picture as `decode` gives it."""
        if header.frames == 1:
            yield from super().pictures(data, header, how)
            return
        with _opened(data) as image:
            yield from pillow_frames.pictures(image, header.spec, range(header.frames), _damaged)

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
            max_threads=1, exif=frame.metadata.exif, xmp=frame.metadata.xmp,
        )  # fmt: skip
        return file.getbuffer()


def _damaged(error: Exception) -> ItemError:
    return ItemError(f"damaged AVIF: {' '.join(str(error).split())}")


@contextlib.contextmanager
def _opened(data: memoryview) -> Iterator[AvifImageFile]:
    """Pillow's picture of a file, read by one thread, for the core is this worker's; what goes wrong is ItemError."""
    from PIL import AvifImagePlugin

    threads, AvifImagePlugin.DEFAULT_MAX_THREADS = AvifImagePlugin.DEFAULT_MAX_THREADS, 1
    try:
        with AvifImagePlugin.AvifImageFile(io.BytesIO(data)) as image:
            yield image
    except ItemError:
        raise
    except Exception as error:  # Pillow raises what libavif and its own reading of the boxes make of a file
        raise _damaged(error) from error
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads


def _picture(data: memoryview, out: Pixels | None) -> Pixels:
    """The samples of a single picture, of as many bits as it has; in `out` where that fits and is of 8 bits."""
    import imagecodecs

    fits = out is not None and out.dtype == np.uint8
    target = None if out is None or not fits else out[..., 0] if out.shape[2] == 1 else out
    try:
        pixels: Pixels = imagecodecs.avif_decode(bytes(data), numthreads=1, out=target)
    except Exception as error:  # it raises AvifError, and ValueError where `out` is of another shape
        raise _damaged(error) from error
    return pixels


def _first_frame(data: memoryview) -> Pixels:
    """8 bits of the first picture of a sequence: imagecodecs reads all of them or none."""
    with _opened(data) as image:
        return np.asarray(image)
