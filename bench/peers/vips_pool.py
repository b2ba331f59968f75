"""A Pool of pyvips, each file by `thumbnail`, which streams and shrinks on load; HEIC by pi-heif and Pillow.

    python -m bench.peers.vips_pool SOURCE OUT [--size 256] [--workers 2] [--extension jpg]

One thread a process and no operation cache. HEIC has no place in the wheel's libvips.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from bench.peers.job import write


def convert(path: str, out: str, extension: str, size: int) -> None:
    target = f"{out}/{os.path.basename(path).rpartition('.')[0]}.{extension}"
    if path.endswith(".heic"):
        _heic(path, target, size)
        return
    import pyvips

    pyvips.cache_set_max(0)
    image = pyvips.Image.thumbnail(path, size, height=size, size="down", fail_on="truncated")
    if image.hasalpha():
        image = image.flatten(background=255)
    if image.format == "ushort":
        image = image.colourspace("srgb")
    write(target, image.write_to_buffer(f".{extension}", **({"Q": 85} if extension == "jpg" else {})))


def _heic(path: str, target: str, size: int) -> None:
    import io

    import pi_heif
    from PIL import Image

    pi_heif.register_heif_opener()
    pi_heif.options.DECODE_THREADS = 1
    with Image.open(path) as image:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG" if target.endswith("jpg") else "PNG", quality=85)
    write(target, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--extension", default="jpg")
    args = parser.parse_args()
    files = sorted(str(path) for path in args.source.iterdir())
    work = partial(convert, out=args.out, extension=args.extension, size=args.size)
    with get_context("spawn").Pool(args.workers) as pool:
        made = sum(1 for _ in pool.imap_unordered(work, files))
    if made != len(files):
        raise SystemExit(f"{made} of {len(files)} files made")


if __name__ == "__main__":
    main()
