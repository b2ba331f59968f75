"""Bringing outputs to the disk before the journal says that they are there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from ..errors import DISK_FULL, EnvironmentRefusal

if TYPE_CHECKING:
    from .write_thread import Ended


def bring_to_disk(paths: Iterable[str]) -> None:
    """Wait until the files, and their names in their folders, are on the disk.

    A file that is gone by now is left out: nothing will be said of it.

    Raises:
        OSError: the disk did not take them.
    """
    folders: dict[str, None] = {}
    for path in paths:
        try:
            sync(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        folders[os.path.dirname(path) or "."] = None
    for folder in folders:
        sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync(path: str, flags: int) -> None:
    """Wait until a file or a folder is on the disk. Raises OSError."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_refusal(error: OSError) -> EnvironmentRefusal:
    """What it means to a user that outputs could not be brought to the disk."""
    remedy = "free space and run again" if error.errno in DISK_FULL else "see the system's log for errors of the disk"
    return EnvironmentRefusal(f"outputs cannot be brought to the disk: {error.strerror}", remedy=remedy)


class SyncThread:
    """Brings the outputs of one batch after the other to the disk; used by the thread of the journal alone.

    Args:
        ready: called when a batch is through.

    Attributes:
        waiting: items given and not taken back.
        cpu_s: processor time that it took, known when it was closed.
    """

    def __init__(self, ready: Callable[[], None]) -> None:
        self.waiting = 0
        self.cpu_s = 0.0
        self._ready = ready
        self._batches = 0
        self._in: SimpleQueue[list[Ended] | None] = SimpleQueue()
        self._out: SimpleQueue[list[Ended] | OSError] = SimpleQueue()
        self._thread = Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a batch is under way."""
        return self._batches > 0

    def give(self, batch: list[Ended]) -> None:
        """A batch of items that ended."""
        self.waiting += len(batch)
        self._batches += 1
        self._in.put(batch)

    def take(self, *, wait: bool) -> list[Ended]:
        """Items whose outputs are on the disk; `wait` for all of them. Raises OSError where it did not take them."""
        taken: list[Ended] = []
        while self._batches and (wait or not self._out.empty()):
            batch = self._out.get()
            self._batches -= 1
            if isinstance(batch, OSError):
                raise batch
            taken += batch
        self.waiting -= len(taken)
        return taken

    def close(self) -> None:
        """End the thread; safe to call twice."""
        self._in.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._in.get()) is not None:
            try:
                bring_to_disk(target for one in batch for target in one.targets)
            except OSError as error:
                self._out.put(error)
            else:
                self._out.put(batch)
            self._ready()
        self.cpu_s = time.thread_time()
