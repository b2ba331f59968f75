"""The temporary folder of a shard's database: it goes with the run, or with the next one after a kill."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress

from ..errors import EnvironmentRefusal

PREFIX = "pipeline-journal-"
HELD = "held"  # a file in it that is locked as long as its run goes on


class TemporaryHome:
    """A folder of this process alone; those that runs of this user left which were killed go before.

    Raises:
        EnvironmentRefusal: it cannot be made.
    """

    def __init__(self) -> None:
        try:
            _sweep(tempfile.gettempdir())
            self.path = tempfile.mkdtemp(prefix=PREFIX)
            new = os.path.join(self.path, "new")
            self._fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            os.rename(new, os.path.join(self.path, HELD))  # locked before another run can find it
        except OSError as error:
            raise EnvironmentRefusal(
                f"the journal of a shard needs a temporary folder: {error.strerror}", where=error.filename,
                remedy="free space there, or name another folder in TMPDIR",
            ) from error  # fmt: skip

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)


def _sweep(home: str) -> None:
    """Remove folders whose lock is free. One that has no lock yet is being made, by another run that starts."""
    with suppress(OSError), os.scandir(home) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
        for path in left:
            with suppress(OSError):
                if os.lstat(path).st_uid == os.getuid():
                    _remove_unheld(path)


def _remove_unheld(path: str) -> None:
    fd = os.open(os.path.join(path, HELD), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(fd)
