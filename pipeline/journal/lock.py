"""Who may write to an output: one run, or the shards of one job; locks that end with their process, and words of them.

A plain run holds the lock of the state folder and the output folder for itself. A shard shares both with other shards,
and holds a lock of its own. On a file system of the network these locks hold for all its machines, where it has them.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable

from ..errors import EnvironmentRefusal
from ..plan.shard import Shard
from .segment import FOLDER as SHARDS

NAME = "lock"
LOCK = ".lock"
SHOWN = 3  # shards that are named


class RunLock:
    """Holds the state folder and the output folder for this process, until `release` or until the process ends.

    Args:
        shard: whose run this is; None for a plain run.

    Raises:
        EnvironmentRefusal: another run holds what this one needs; it is named.
    """

    def __init__(self, state_dir: str, output_root: str, shard: Shard | None = None) -> None:
        self._fds: list[int] = []
        self._own = -1
        self._mode = fcntl.LOCK_NB | (fcntl.LOCK_EX if shard is None else fcntl.LOCK_SH)
        path, folder = os.path.join(state_dir, NAME), os.path.join(state_dir, SHARDS)
        try:
            fd = self._open(path)
            self._take(fd, lambda: words(path) or _words_of_shards(folder), output_root)
            self._take_output(output_root)
            if shard is not None:
                os.ftruncate(fd, 0)  # what a plain run wrote there is over
                path = os.path.join(folder, shard.name + LOCK)
                fd = self._open(path)
                self._mode = fcntl.LOCK_NB | fcntl.LOCK_EX
                self._take(fd, lambda: words(path), output_root, f"shard {shard}")
                self._refuse_others(folder, shard, output_root)
            self._own = fd
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(holder()).encode(), 0)
        except EnvironmentRefusal:
            self.release()
            raise
        except OSError as error:
            self.release()
            raise EnvironmentRefusal(
                f"the lock of the state folder cannot be had: {error.strerror}", where=path,
                remedy="set `state_dir` to a folder that you may write to",
            ) from error  # fmt: skip

    def _open(self, path: str) -> int:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        self._fds.append(fd)
        return fd

    def _take(self, fd: int, who: Callable[[], str], output_root: str, run: str = "run") -> None:
        try:
            fcntl.flock(fd, self._mode)
        except BlockingIOError as error:
            what = f"another {run} writes to {output_root!r}"
            raise EnvironmentRefusal(what, limit=who(), remedy="wait for it, or end it") from error

    def _take_output(self, output_root: str) -> None:
        """The output folder too: a run with another state folder may write to it."""
        fd = os.open(output_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._fds.append(fd)
        try:
            self._take(fd, lambda: words_of_lock(output_root), output_root)
        except EnvironmentRefusal:
            raise
        except OSError:
            pass  # a file system that locks no folders; the state folder's lock remains

    def _refuse_others(self, folder: str, shard: Shard, output_root: str) -> None:
        """Shards of another number of shards have other items; ours is locked already, so two never both go on."""
        ours = shard.name.partition("-")[2]
        for name in _locks(folder):
            path = os.path.join(folder, name + LOCK)
            if not name.endswith(ours) and _is_held(path):
                raise EnvironmentRefusal(
                    f"shard {_number(name)} writes to {output_root!r}, and this is one of {shard.of}",
                    limit=words(path),
                    remedy="wait for it, or end it; shards of one output are so many in all",
                )  # fmt: skip

    def release(self) -> None:
        """Let go; safe to call twice."""
        if self._own >= 0:
            os.ftruncate(self._own, 0)  # what is there says who is at work
            self._own = -1
        while self._fds:
            os.close(self._fds.pop())


def _locks(folder: str) -> list[str]:
    """Names of the shards that have a lock, held or not."""
    try:
        return sorted(name.removesuffix(LOCK) for name in os.listdir(folder) if name.endswith(LOCK))
    except OSError:
        return []


def _is_held(path: str) -> bool:
    """Whether a shard is at work. Asked of shards of another number only: asking takes the lock for a moment."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _number(name: str) -> str:
    """What people call a shard whose files have this name: "00003-of-00016" is 3/16."""
    number, _, of = name.partition("-of-")
    return f"{number.lstrip('0')}/{of.lstrip('0')}"


def _words_of_shards(folder: str) -> str:
    """Which shards are at work, or were killed, in words; "" where none is."""
    told = ((name, words(os.path.join(folder, name + LOCK))) for name in _locks(folder))
    held = [f"shard {_number(name)}, {who}" for name, who in told if who]
    return "; ".join(held[:SHOWN]) + (f"; and {len(held) - SHOWN} more" if len(held) > SHOWN else "")


def words_of_lock(folder: str) -> str:
    """Which process of this machine holds a folder, in words; "" where the system does not say.

    A run whose state folder is another one: what it wrote about itself lies there, and nobody knows where that is.
    """
    try:
        status = os.stat(folder)
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        with open("/proc/locks", encoding="ascii") as file:
            lines = [line.split() for line in file]
        pid = next(words[-4] for words in lines if "->" not in words and words[-3] == place)
        return f"pid {pid}, with another `state_dir`"
    except (OSError, StopIteration, IndexError):
        return ""


def holder() -> dict[str, object]:
    """This process, for those who find the lock taken."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}


def words(path: str) -> str:
    """Who holds the lock of this file, in words; "" where it does not say."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(told["since"])))
        return f"pid {int(told['pid'])} on {told['host']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
