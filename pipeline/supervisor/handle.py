"""One worker process: started, written to, read from, and ended for certain; its last words."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from typing import NamedTuple

from ..errors import EnvironmentRefusal
from ..scheduler import Worker
from ..transport.control_block import Control
from ..transport.records import RECORD_NBYTES
from ..worker import Boot
from ..worker.output import sweep
from ..worker.printing import unmarked
from .fork_server import Child, ForkServer, ForkServerLost, refusal

TAIL_LINES = 40
LINE_LENGTH = 4096  # of a line whose end has not come
READ_NBYTES = 64 * RECORD_NBYTES
FENCE_S = 30.0
KILLED = "killed by SIGKILL"
FAULT = ("Fatal Python error", "Current thread 0x", "Thread 0x")  # how what faulthandler writes begins


class Said(NamedTuple):
    """A line that a worker printed; `stage` is its number in the plan."""

    stage: int
    line: str


class Handle:
    """One worker's place: its control block stays, its process and pipes are replaced when it is lost.

    Attributes:
        since: when it last said or was given something, on the run's clock; what its deadline is counted from.
        tail: the last lines it wrote to standard error.
        ended_by: why the parent ended it; None where it did not, "" where nothing is to blame.
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
        self.faulting = False
        self.ended_by: str | None = None
        self.cpu_s = 0.0
        self.rss_nbytes = 0

    def start(self, fork_server: ForkServer, arena: int) -> None:
        """Have the process forked. Raises ForkServerLost, EnvironmentRefusal."""
        self.control.clear()
        self.forget_tail()
        self.faulting = False
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

    def read_errors(self) -> list[Said] | None:
        """What it printed since the last look, whole lines; None at end of file. The last ones stay in `tail`."""
        try:
            data = os.read(self.errors, 65536)
        except BlockingIOError:
            return []
        if not data:
            return None
        # A stack is written a word at a time: a line is one only when its end is there.
        lines = (self.unended + data.decode("utf-8", "backslashreplace")).split("\n")
        self.unended = lines.pop()[-LINE_LENGTH:]
        return [said for line in lines if (said := self._heard(line.rstrip())) is not None]

    def _heard(self, line: str) -> Said | None:
        """Keep a line; None for one that is no print of a stage: a stack that was asked for, or that a crash left."""
        number, text = unmarked(line)
        if number is None and text.startswith(FAULT):
            self.faulting = True
        if text.strip():
            self.tail.append(text)
        if self.faulting and number is None:
            return None
        return Said(self.control.running()[1] if number is None else number, text)

    def forget_tail(self) -> None:
        """What it said so far is of no interest any more."""
        self.tail.clear()
        self.unended = ""

    def fence(self, fork_server: ForkServer) -> tuple[str, list[Said]]:
        """End the process for certain: after this nothing it held can change. How it ended, in words; what it said."""
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
            self.ended_by = ""  # it went down with the fork server: nothing of it is to blame
        self.process.close()
        self.process = None
        said: list[Said] = []
        while (more := self.read_errors()) is not None and (more or self._has_errors()):
            said += more
        if self.unended.strip():
            self.tail.append(unmarked(self.unended)[1])
        if self.worker.group.plan.writes:
            sweep(self.control.temporary(), self.boot.run, self.boot.plan.output_root)
        if self.ended_by:
            return self.ended_by, said
        return (_cause(code or 0) if own_end else "closed its pipe"), said

    def _has_errors(self) -> bool:
        return bool(select.select([self.errors], [], [], 0)[0])

    def last_words(self) -> str:
        """The most telling line it left: the last one of a traceback, the first of a fault report."""
        lines = [line for line in self.tail if not line.startswith((" ", "Extension modules"))]
        last = next((line for line in lines if line.startswith("Fatal Python error")), lines[-1] if lines else "")
        return last.strip()[:500]

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
    return f"killed by {name}"
