"""One run at a time on an output: a lock that ends with its process, and words about who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time

from ..errors import EnvironmentRefusal

NAME = "lock"


class RunLock:
    """Holds the state folder and the output folder for this process, until `release` or until the process ends.

    Raises:
        EnvironmentRefusal: another run holds one of them; it is named.
    """

    def __init__(self, state_dir: str, output_root: str) -> None:
        self._fds: list[int] = []
        path = os.path.join(state_dir, NAME)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            self._fds.append(fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_output(output_root)
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(holder()).encode(), 0)
        except BlockingIOError as error:
            who = words(path) if len(self._fds) == 1 else words_of_lock(output_root)
            self.release()
            raise EnvironmentRefusal(
                f"another run writes to {output_root!r}", limit=who, remedy="wait for it, or end it"
            ) from error
        except OSError as error:
            self.release()
            raise EnvironmentRefusal(
                f"the lock of the state folder cannot be had: {error.strerror}", where=path,
                remedy="set `state_dir` to a folder that you may write to",
            ) from error  # fmt: skip

    def _take_output(self, output_root: str) -> None:
        """The output folder too: a run with another state folder may write to it."""
        fd = os.open(output_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._fds.append(fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system that locks no folders; the state folder's lock remains

    def release(self) -> None:
        """Let go; safe to call twice."""
        while self._fds:
            os.close(self._fds.pop())


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
