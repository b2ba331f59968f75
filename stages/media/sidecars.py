"""XMP sidecars: files beside a picture that programs write their notes into, `a.xmp` or `a.jpg.xmp` for `a.jpg`."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator

from pipeline import WriteContext
from stages.media.metadata_policy import MOST_XMP, Heard, packet

ENDINGS = (".xmp", ".XMP")


def copy(source: str, keep: Collection[str], context: WriteContext, remark: Heard) -> int:
    """Write the sidecars of a source beside the current output, under its name; of what they say all that holds there.

    One that lies there already is left alone: somebody may have worked on it since. What cannot be copied is told: the
    picture is written by now. Returns the bytes written.
    """
    written = 0
    for at_stem, path in _found(source):
        target = f"{os.path.splitext(context.target)[0] if at_stem else context.target}.xmp"
        try:
            notes = packet(_read(path, remark), place="gps" in keep, remark=remark)
            nbytes = context.save_beside(target, notes) if notes else 0
        except OSError as error:
            remark(f"its XMP sidecar was not copied: {error.strerror}")
            continue
        if nbytes is None:
            remark("its XMP sidecar was not copied: one lies beside the output, and may have been changed since")
        written += nbytes or 0
    return written


def _found(source: str) -> Iterator[tuple[bool, str]]:
    """The sidecars there are: whether it is named without the picture's extension, and its path."""
    stem, extension = os.path.splitext(source)
    for start in dict.fromkeys((stem, source)):
        path = next((each for end in ENDINGS if os.path.isfile(each := start + end)), "")
        if path:
            yield start == stem and bool(extension), path


def _read(path: str, remark: Heard) -> bytes:
    """Its bytes; none, with a remark, where it is too large to be one."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_XMP:
            return file.read(MOST_XMP)
    remark(f"its XMP sidecar was not copied: it is no file of at most {MOST_XMP >> 20} MiB")
    return b""
