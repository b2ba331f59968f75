"""Bringing outputs to the disk before the journal says that they are there."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from ..errors import DISK_FULL, EnvironmentRefusal

if TYPE_CHECKING:
    from .ended import Ended


class Disk:
    """Waits until files, and their names in their folders, are on the disk; used by one thread.

    One `syncfs` brings a whole batch there: 11 ms for 1000 files of 9 kB on ext4, where an `fsync` for each takes 240.
    It waits for what other programs have written too. Before Linux 5.8 it told of no error, so there, and elsewhere,
    each file is synchronized for itself.
    """

    def __init__(self) -> None:
        self._syncfs = _syncfs()
        self._disks: dict[int, int] = {}  # by device; held open, because an open file is told of later errors

    def bring(self, paths: Iterable[str]) -> None:
        """Wait for these files. One that is gone by now is left out: nothing will be said of it. Raises OSError."""
        if self._syncfs is None:
            each_to_disk(paths)
            return
        devices = set()
        for folder in {os.path.dirname(path) or "." for path in paths}:
            try:
                device = os.stat(folder).st_dev
            except FileNotFoundError:
                continue
            devices.add(device)
            if device not in self._disks:
                self._disks[device] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for device in devices:
            self._syncfs(self._disks[device])

    def close(self) -> None:
        """Close what is held open."""
        while self._disks:
            os.close(self._disks.popitem()[1])


def _syncfs() -> Callable[[int], None] | None:
    """`syncfs`, which Python does not have; None where it cannot be relied on."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if sys.platform != "linux" or release is None or (int(release[1]), int(release[2])) < (5, 8):
        return None
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return None

    def syncfs(fd: int) -> None:
        if call(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def each_to_disk(paths: Iterable[str]) -> None:
    """Wait for these files, one after the other, then for their folders. Raises OSError."""
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
        disk = Disk()
        while (batch := self._in.get()) is not None:
            try:
                disk.bring(target for one in batch for target in one.targets)
            except OSError as error:
                self._out.put(error)
            else:
                self._out.put(batch)
            self._ready()
        disk.close()
        self.cpu_s = time.thread_time()
