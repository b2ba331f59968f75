"""What can go wrong in a stage, on purpose: on given items, always or on the first attempts only."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from importlib import import_module

from pipeline import EnvironmentRefusal, ItemError, Skip, SpecError


class Odd(BaseException):
    """No Exception, and nothing that pickle could carry."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


def note(path: str) -> int:
    """Make the next of the files PATH.0, PATH.1, ...; how many were there. Atomic between processes."""
    number = 0
    while True:
        try:
            os.close(os.open(f"{path}.{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            number += 1
        else:
            return number


def strike(how: str, marker: str, times: int = -1) -> None:
    """Do harm, in the first `times` attempts only unless that is negative; each attempt leaves a file MARKER.N."""
    if note(marker) < times or times < 0:
        HARM[how]()


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)


def _segv() -> None:
    ctypes.string_at(8)


def _raise(error: BaseException) -> None:
    raise error


def _spin() -> None:
    while True:
        pass


def _missing() -> None:
    import_module("no_such_library")


HARM = {
    "kill": lambda: _signal(signal.SIGKILL),
    "abort": os.abort,
    "segv": _segv,
    "stop": lambda: _signal(signal.SIGSTOP),
    "sleep": lambda: time.sleep(3600),
    "spin": _spin,
    "value": lambda: _raise(ValueError("bad luck\non two lines")),
    "unfit": lambda: _raise(EnvironmentRefusal("blur needs OpenCV: no libGL", remedy="apt install libgl1")),
    "item": lambda: _raise(ItemError("is upside down")),
    "spec": lambda: _raise(SpecError("wants dtype uint16, got uint8")),
    "skip": lambda: _raise(Skip("too small")),
    "exit": lambda: _raise(SystemExit(7)),
    "exit 0": lambda: _raise(SystemExit(0)),
    "odd": lambda: _raise(Odd()),
    "missing": _missing,
    "memory": lambda: _raise(MemoryError()),
    "transient": lambda: _raise(OSError(errno.EIO, os.strerror(errno.EIO))),
    "full": lambda: _raise(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
}
