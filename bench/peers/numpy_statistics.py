"""Statistics of a folder with numpy and a Pool: numpy_statistics.py FOLDER REPORT."""

from __future__ import annotations

import json
import sys
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

LEVELS = np.arange(256, dtype=np.int64)


def figures(path: str):
    """Histogram of the channels, and brightness and sharpness of the picture."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    histogram = np.stack([np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)])
    gray = ((pixels[..., 0].astype(np.uint16) * 77 + pixels[..., 1].astype(np.uint16) * 150
             + pixels[..., 2].astype(np.uint16) * 29) >> 8).astype(np.int16)  # fmt: skip
    edges = gray[1:-1, :-2] + gray[1:-1, 2:] + gray[:-2, 1:-1] + gray[2:, 1:-1] - 4 * gray[1:-1, 1:-1]
    wide = edges.ravel().astype(np.int64)
    sharp = (int(wide @ wide) * wide.size - int(wide.sum()) ** 2) // wide.size**2
    return histogram, round(float(gray.mean())), int((gray == 0).sum()), int((gray == 255).sum()), sharp


def main() -> None:
    paths = sorted(map(str, Path(sys.argv[1]).rglob("*.jpg")))
    total, luma, dark, bright, sharp = np.zeros((3, 256), np.int64), [], 0, 0, []
    with Pool(2) as pool:
        for histogram, mean, black, white, sharpness in pool.imap_unordered(figures, paths, 16):
            total += histogram
            luma.append(mean)
            sharp.append(sharpness)
            dark, bright = dark + black, bright + white
    count = total.sum(1)
    mean = total @ LEVELS / count
    std = np.sqrt(total @ (LEVELS * LEVELS) / count - mean**2)
    told = {
        "files": len(paths),
        "mean": (mean / 255).tolist(),
        "std": (std / 255).tolist(),
        "dark": dark,
        "bright": bright,
    }
    Path(sys.argv[2]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
