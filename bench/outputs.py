"""An output of every format and depth, as ImageMagick and Chromium show it, beside the picture that was encoded.

    apt-get install imagemagick chromium
    python -m bench.outputs

Before a release. What Pillow, OpenCV and libvips show of the same outputs is in the tests. Difference is in levels on
average over white, of a smooth picture; half of it has an alpha of 60 %.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline import Frame, Item, Spec, registry
from pipeline.contracts.spec import CHANNELS

Array = np.ndarray[Any, Any]
HEIGHT, WIDTH, COLUMNS = 48, 64, 8
MOST = {"jpg": 3.0, "webp": 3.0, "avif": 3.0, "gif": 16.0}  # levels; of all others 0.5
SHOWN = ("png", "jpg", "webp", "avif", "gif", "bmp")  # by Chromium
# What a program does with any file of the kind, whoever wrote it.
CANNOT = {("ImageMagick", "avif", "alpha"): "Debian's reads no alpha of AVIF"}


class Output(NamedTuple):
    """An encoded picture and what it should look like, (H, W, 3) over white."""

    path: Path
    format: str
    name: str
    wanted: Array


def picture(channels: int, dtype: str) -> Array:
    """(H, W, C), the right half seen through where there is alpha."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [128 + 90 * np.sin(x / (9 + k) + y / 11) for k in range(3)]
    alpha = np.where(x < WIDTH // 2, 255, 153)
    chosen = {1: planes[:1], 2: [planes[0], alpha], 3: planes, 4: [*planes, alpha]}[channels]
    eight = np.stack(chosen, -1).astype(np.uint8)
    return eight if dtype == "uint8" else eight.astype(np.uint16) * 257


def over_white(pixels: Array) -> Array:
    values = pixels.astype(float) / (257 if pixels.dtype == np.uint16 else 1)
    colour = values[..., [0, 0, 0]] if values.shape[2] < 3 else values[..., :3]
    alpha = values[..., -1:] / 255 if values.shape[2] in (2, 4) else 1.0
    return colour * alpha + 255 * (1 - alpha)


def outputs(folder: Path) -> Iterator[Output]:
    """Every format with every colour model and depth that it takes."""
    for name in registry.names("codec"):
        codec = registry.load(registry.resolve("codec", name))()
        if not codec.extensions:
            continue
        codec.open()
        for model in codec.models:
            for dtype in codec.dtypes:
                pixels = picture(CHANNELS[model], dtype)
                frame = Frame(Item(0, ""), 0, Spec.of(model, HEIGHT, WIDTH, dtype=dtype), pixels)
                ending = codec.extensions[0]
                path = folder / f"{ending}-{model}-{dtype}.{ending}"
                path.write_bytes(codec.encode(frame))
                yield Output(path, ending, f"{model} {dtype}", over_white(pixels))
        codec.close()


def by_imagemagick(output: Output) -> Array:
    png = output.path.with_suffix(".shown.png")
    command = ["/usr/bin/convert", f"{output.path}[0]", "-background", "white", "-flatten", "-depth", "8"]
    subprocess.run([*command, f"PNG24:{png}"], check=True, capture_output=True)
    with Image.open(png) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def by_chromium(every: list[Output], folder: Path) -> dict[Path, Array]:
    """All on one page, of which a picture is taken."""
    page, shot = folder / "page.html", folder / "page.png"
    rows = -(-len(every) // COLUMNS)
    places = [(n // COLUMNS * HEIGHT, n % COLUMNS * WIDTH) for n in range(len(every))]
    images = "".join(
        f'<img src="{output.path.name}" style="position:absolute;top:{top}px;left:{left}px">'
        for output, (top, left) in zip(every, places, strict=True)
    )
    page.write_text(f'<body style="margin:0;background:white">{images}')
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--hide-scrollbars",
         f"--screenshot={shot}", f"--window-size={COLUMNS * WIDTH},{rows * HEIGHT}", page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with Image.open(shot) as image:
        whole = np.asarray(image.convert("RGB")).astype(float)
    return {
        output.path: whole[top : top + HEIGHT, left : left + WIDTH]
        for output, (top, left) in zip(every, places, strict=True)
    }


def main() -> int:
    """The command; 1 where an output is shown wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        every = list(outputs(Path(scratch)))
        seen = by_chromium([output for output in every if output.format in SHOWN], Path(scratch))
        for output in every:
            told = [f"{output.format:5} {output.name:18}"]
            for program, shown in (("ImageMagick", by_imagemagick(output)), ("Chromium", seen.get(output.path))):
                cannot = CANNOT.get((program, output.format, "alpha" if "a " in output.name else ""), "")
                if shown is None or cannot:
                    told.append(f"{program}: {cannot or 'does not show it'}")
                    continue
                off = np.abs(shown - output.wanted).mean() if shown.shape == output.wanted.shape else 255.0
                bad = off > MOST.get(output.format, 0.5)
                wrong += bad
                told.append(f"{program}: {off:.2f}{' WRONG' if bad else ''}")
            print("  ".join(told))
    print(f"{len(every)} outputs, {wrong} shown wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
