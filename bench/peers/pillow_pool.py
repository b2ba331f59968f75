"""The first answer to "how do I make thumbnails in Python": Pool(N) of a full decode and Pillow's Lanczos.

    python -m bench.peers.pillow_pool SOURCE OUT [--size 256] [--workers 2] [--extension jpg]

No `draft`, no `reducing_gap`: every pixel is decoded and weighed. Its pixels are also the reference of the check.
"""

from __future__ import annotations

import io

from PIL import Image

from bench.peers.job import run, write


def shrink(path: str, size: int) -> Image.Image:
    """The reference: full decode, full-size Lanczos, fitted inside a `size` square, rounded half up."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    scale = min(size / picture.width, size / picture.height)
    box = max(1, int(picture.width * scale + 0.5)), max(1, int(picture.height * scale + 0.5))
    return picture.resize(box, Image.Resampling.LANCZOS)


def convert(path: str, target: str, size: int) -> None:
    buffer = io.BytesIO()
    if target.endswith(".png"):
        shrink(path, size).save(buffer, "PNG")
    else:
        shrink(path, size).save(buffer, "JPEG", quality=85, subsampling="4:2:0")
    write(target, buffer.getvalue())


if __name__ == "__main__":
    run(convert)
