"""Starting and ending one worker process; its pipes, its last words."""

from __future__ import annotations

import os
import select
import signal
from collections import deque

from ..errors import EnvironmentRefusal
from ..scheduler import Worker
from ..transport.control_block import Control
from ..transport.records import RECORD_NBYTES
from ..worker import Boot
from ..worker.output import sweep
from .fork_server import Child, ForkServer, ForkServerLost, refusal

TAIL_LINES = 40
LINE_LENGTH = 4096  # of a line whose end has not come
READ_NBYTES = 64 * RECORD_NBYTES
FENCE_S = 30.0


class Handle:
    """One worker's place: its control block stays, its process and pipes are replaced when it is lost.

    Attributes:
        since: when it last said or was given something, on the run's clock; what its deadline is counted from.
        tail: the last lines it wrote to standard error.
        ended_by: why the parent ended it; None where it did not, "" where nobody is to blame.
    """

    def __init__(self, worker: Worker, control: Control, boot: Boot) -> None:
        self.worker = worker
        self.control = control
        self.boot = boot
        self.process: Child | None = None
        self.commands = self.results = self.errors = -1
        self.outgoing: list[bytes] = []
        self.since = 0.0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.unended = ""
        self.ended_by: str | None = None
        self.cpu_s = 0.0
        self.rss_nbytes = 0

    def start(self, fork_server: ForkServer, arena: int) -> None:
        """Have the process forked. Raises ForkServerLost, EnvironmentRefusal."""
        self.control.clear()
        self.forget_tail()
        self.ended_by = None
        theirs: list[int] = []
        try:
            for name, ours in (("commands", 1), ("results", 0), ("errors", 0)):
                ends = os.pipe()
                setattr(self, name, ends[ours])
                theirs.append(ends[1 - ours])
            for fd in (self.results, self.errors):
                os.set_blocking(fd, False)
            self.process = fork_server.fork(self.boot, (arena, *theirs))
        except (ForkServerLost, EnvironmentRefusal):
            self.close()
            raise
        except OSError as error:
            self.close()
            raise refusal(error.strerror or str(error)) from error
        finally:
            for fd in theirs:
                os.close(fd)

    def write(self) -> bool:
        """Send what is queued in one piece; False when the worker is gone."""
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        try:
            os.write(self.commands, data)
        except BrokenPipeError:
            return False
        return True

    def read(self) -> bytes | None:
        """Records that wait in the result pipe; b"" for none at the moment, None at end of file."""
        try:
            return os.read(self.results, READ_NBYTES) or None
        except BlockingIOError:
            return b""

    def read_errors(self) -> bool:
        """Keep the tail of what it says on standard error; False at end of file."""
        try:
            data = os.read(self.errors, 65536)
        except BlockingIOError:
            return True
        # A stack is written a word at a time: a line is one only when its end is there.
        lines = (self.unended + data.decode("utf-8", "backslashreplace")).splitlines(keepends=True)
        whole = not lines or lines[-1].endswith(("\n", "\r"))
        self.unended = "" if whole else lines.pop()[-LINE_LENGTH:]
        self.tail.extend(line.rstrip() for line in lines if line.strip())
        return bool(data)

    def forget_tail(self) -> None:
        """What it said so far is of no interest any more."""
        self.tail.clear()
        self.unended = ""

    def fence(self, fork_server: ForkServer) -> str:
        """End the process for certain: after this nothing it held can change. How it ended, in words."""
        assert self.process is not None
        own_end = self.process.ended(0.05 if self.ended_by is None else 0)
        self.process.kill()
        if not self.process.ended(FENCE_S):
            raise EnvironmentRefusal(
                f"worker {self.process.pid} cannot be ended: the kernel holds it",
                limit=f"waited {FENCE_S:.0f} s after SIGKILL",
                remedy="a file system it uses does not answer (see dmesg); nothing it held may be used again",
            )
        code = fork_server.reap(self.process)
        if code is None and self.ended_by is None:
            self.ended_by = ""  # it went down with the fork_server: nobody is to blame
        self.process.close()
        self.process = None
        while self.read_errors() and self._has_errors():
            pass
        if self.unended.strip():
            self.tail.append(self.unended)
        sweep(self.control.temporary())
        if self.ended_by:
            return self.ended_by
        return _cause(code or 0) if own_end else "closed its pipe"

    def _has_errors(self) -> bool:
        return bool(select.select([self.errors], [], [], 0)[0])

    def close(self) -> None:
        """Close the parent's ends."""
        for fd in (self.commands, self.results, self.errors):
            if fd >= 0:
                os.close(fd)
        self.commands = self.results = self.errors = -1


def _cause(code: int) -> str:
    if code >= 0:
        return f"exited with status {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"killed by {name} (from outside, or because memory ran out)"
    return f"killed by {name}"
