"""Folders of outputs, each opened once and known to lie within the output folder, wherever links lead.

A file is made and renamed relative to the open folder, so a link that is put in its place meanwhile changes nothing. A
writer of videos opens the file that was made so by its path once more; Landlock holds it within the output folder then.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict

from ..errors import ItemError

MOST = 128  # open at a time


class Folders:
    """Folders below `root`, by the paths that outputs have.

    Args:
        root: of the outputs; None where no output has a name that an item decides.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._real_root = ""
        self._open: OrderedDict[str, int] = OrderedDict()

    def fd(self, folder: str, *, make: bool = True) -> int:
        """A descriptor of a folder, which is made where it is missing; it stays ours.

        Raises:
            ItemError: it lies outside of the root, through a link.
            OSError: as the system says.
        """
        fd = self._open.get(folder)
        if fd is not None:
            self._open.move_to_end(folder)
            return fd
        if make and not os.path.isdir(folder or "."):
            self._must_be_within(folder, os.path.realpath(folder))  # else folders were made where a link leads
            os.makedirs(folder, exist_ok=True)
        fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._must_be_within(folder, _path_of(fd, folder))
        except BaseException:
            os.close(fd)
            raise
        self._open[folder] = fd
        while len(self._open) > MOST:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def forget(self, folder: str) -> None:
        """A folder is not what it was: it will be opened anew."""
        fd = self._open.pop(folder, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Close them all."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _must_be_within(self, folder: str, real: str) -> None:
        if self._root is None:
            return
        if not self._real_root:
            self._real_root = os.path.realpath(self._root)
        if real != self._real_root and not real.startswith(self._real_root.rstrip("/") + "/"):
            raise ItemError(
                f"the folder {folder!r} leads out of the output folder, to {real!r}",
                remedy="name that folder itself in the writer's path",
            )


def _path_of(fd: int, folder: str) -> str:
    """Where an open folder lies: what was opened, and not what lies under its name by now."""
    if sys.platform == "linux":
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            pass  # no /proc here
    return os.path.realpath(folder or ".")
