"""Check what every contender makes, before any of it is timed.

On a sample of the corpus: the same file names and sizes, pixels near those of a full-size Lanczos, and JPEG files that
are encoded at the same quality. The pixels are compared *before* the JPEG encoder (each contender writes PNG for this
once): its loss at quality 85, about 33 dB, would hide everything else.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bench.contenders import SIZE, thumbnails
from bench.peers.pillow_pool import shrink
from bench.process import MeasureError, run
from bench.settings import Settings

LEAST_DB = 44.0  # any contender's pixels; below it a picture is another picture (no antialiasing, half a pixel off)
ENCODER_DB = 1.0  # how far the loss by JPEG may lie from that of the same pixels at quality 85, 4:2:0, by Pillow


@dataclass(frozen=True, slots=True)
class Likeness:
    """PSNR in dB over the sample: the median and the worst file, before the encoder, and the median after it."""

    contender: str
    files: int
    median_db: float
    worst_db: float
    jpeg_median_db: float


def check(names: Sequence[str], *, kind: str, files: Sequence[Path], settings: Settings) -> list[Likeness]:
    """Compare every contender on `files` with the reference. Raises MeasureError naming what differs."""
    source = settings.scratch / "sample"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for path in files:
        shutil.copy(path, source)
    reference = {path.stem: np.asarray(shrink(str(path), int(SIZE))) for path in files}
    expected_jpeg_db = statistics.median(psnr(_through_jpeg(pixels), pixels) for pixels in reference.values())
    found = []
    for name in names:
        before = _psnrs(name, "png", reference, kind=kind, source=source, settings=settings)
        after = _psnrs(name, "jpg", reference, kind=kind, source=source, settings=settings)
        likeness = Likeness(name, len(files), statistics.median(before), min(before), statistics.median(after))
        if likeness.worst_db < LEAST_DB:
            raise MeasureError(f"{name}: {likeness.worst_db:.1f} dB from a full-size Lanczos, want {LEAST_DB}")
        if abs(likeness.jpeg_median_db - expected_jpeg_db) > ENCODER_DB:
            raise MeasureError(
                f"{name}: JPEG at {likeness.jpeg_median_db:.1f} dB, quality 85 is {expected_jpeg_db:.1f}"
            )
        found.append(likeness)
    shutil.rmtree(source)
    return found


def psnr(pixels: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal to noise in dB of 8-bit pictures; 99 where they are equal."""
    error = float(np.mean((pixels.astype(np.float64) - reference.astype(np.float64)) ** 2))
    return 10 * float(np.log10(255**2 / error)) if error else 99.0


def describe(found: Sequence[Likeness]) -> str:
    return "; ".join(f"{x.contender} {x.median_db:.1f} (worst {x.worst_db:.1f})" for x in found)


def _psnrs(
    name: str, extension: str, reference: dict[str, np.ndarray], *, kind: str, source: Path, settings: Settings
) -> list[float]:
    """Run one contender on the sample, without timing, and compare its files with the reference by name."""
    out = settings.scratch / "checked"
    run(thumbnails(name, kind=kind, source=source, out=out, extension=extension, settings=settings))
    made = {path.stem: path for path in out.iterdir() if path.is_file()}
    wrong_names = set(made) ^ set(reference) or {path.name for path in made.values() if path.suffix != f".{extension}"}
    if wrong_names:
        raise MeasureError(f"{name}: other outputs than the reference: {sorted(wrong_names)[:4]}")
    values = []
    for stem, pixels in reference.items():
        with Image.open(made[stem]) as opened:
            got = np.asarray(opened.convert("RGB"))
        if got.shape != pixels.shape:
            raise MeasureError(f"{name}: {made[stem].name} is {got.shape}, want {pixels.shape}")
        values.append(psnr(got, pixels))
    shutil.rmtree(out)
    return values


def _through_jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85, subsampling="4:2:0")
    return np.asarray(Image.open(buffer).convert("RGB"))
