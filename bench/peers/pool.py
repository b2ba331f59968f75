"""The Pool: what one writes by hand for speed, read, decode, resize, encode and write fused in each of N processes.

    python -m bench.peers.pool SOURCE OUT [--size 256] [--workers 2] [--extension jpg]

The tuned Pool is this same script with the allocator settings in its environment. `--extension png` is for the check
of the pixels only.
"""

from __future__ import annotations

import io

from PIL import Image

from bench.peers.codecs_by_hand import encode, thumbnail
from bench.peers.job import run, write


def convert(path: str, target: str, size: int) -> None:
    with open(path, "rb") as file:
        data = file.read()
    pixels = thumbnail(data, size=size)
    if target.endswith(".png"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        write(target, buffer.getvalue())
    else:
        write(target, encode(pixels))


if __name__ == "__main__":
    run(convert)
