"""Versions of the libraries that read or make pixels."""

from __future__ import annotations

from functools import cache

PACKAGES = (
    "numpy", "pillow", "simplejpeg", "pyvips-binary", "pi-heif", "tifffile", "cykooz.resizer", "opencv-python", "av",
)  # fmt: skip


@cache
def versions() -> dict[str, str]:
    """Version by name of those that are installed; takes 20 ms the first time."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
