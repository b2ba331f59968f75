"""Starting and ending one worker process; its pipes, its last words."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from types import ModuleType
from typing import Any

from ..control import Control
from ..errors import EnvironmentRefusal
from ..output import sweep
from ..plan import RECORD_NBYTES
from ..scheduler import Worker
from ..worker import Boot, main

# Read by the libraries and by glibc when the process starts. One thread a library: workers are the parallelism.
# glibc hands large blocks back and faults them in again for every frame unless it is told to keep them.
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": str(64 << 20),
}
TAIL_LINES = 40
READ_NBYTES = 64 * RECORD_NBYTES
FENCE_S = 30.0


class Inherited:
    """A descriptor that the child gets under the same number; pickled only while it is being spawned."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> tuple[Any, ...]:
        return (_same, (DupFd(self.fd),))


def _same(handle: Any) -> Any:
    return handle


class Handle:
    """One worker's place: its control block stays, its process and pipes are replaced when it is lost.

    Attributes:
        since: when it last said or was given something, on the run's clock; what its deadline is counted from.
        tail: the last lines it wrote to standard error.
        ended_by: why the parent ended it; "" when it ended by itself.
    """

    def __init__(self, worker: Worker, control: Control, boot: Boot) -> None:
        self.worker = worker
        self.control = control
        self.boot = boot
        self.process: BaseProcess | None = None
        self.commands = self.results = self.errors = -1
        self.outgoing: list[bytes] = []
        self.since = 0.0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.ended_by: str | None = None
        self.cpu_s = 0.0
        self.rss_nbytes = 0

    def start(self, arena: int) -> None:
        """Spawn the process. Called from the main thread only: the kernel ties the child's life to this thread."""
        self.control.clear()
        self.tail.clear()
        self.ended_by = None
        theirs, self.commands = os.pipe()
        self.results, answers = os.pipe()
        self.errors, complaints = os.pipe()
        for fd in (self.results, self.errors):
            os.set_blocking(fd, False)
        handles = (Inherited(arena), Inherited(theirs), Inherited(answers), Inherited(complaints))
        name = f"pipeline-{self.worker.group.name}-{self.worker.name}"
        process = multiprocessing.get_context("spawn").Process(target=main, args=(self.boot, *handles), name=name)
        try:
            process.start()
            self.process = process
        except OSError as error:
            remedy = "fewer workers, or a higher limit of processes and open files (ulimit -u, -n)"
            raise EnvironmentRefusal(f"a worker cannot be started: {error.strerror}", remedy=remedy) from error
        finally:
            for fd in (theirs, answers, complaints):
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
        self.tail.extend(line for line in data.decode("utf-8", "backslashreplace").splitlines() if line.strip())
        return bool(data)

    def fence(self) -> str:
        """End the process for certain: after this nothing it held can change. How it ended, in words."""
        assert self.process is not None
        own_end = self.process.exitcode is not None
        if not own_end:
            self.process.join(0.05 if self.ended_by is None else 0)
            own_end = self.process.exitcode is not None
        self.process.kill()
        self.process.join(FENCE_S)
        if self.process.exitcode is None:
            raise EnvironmentRefusal(
                f"worker {self.process.pid} cannot be ended: the kernel holds it",
                limit=f"waited {FENCE_S:.0f} s after SIGKILL",
                remedy="a file system it uses does not answer (see dmesg); nothing it held may be used again",
            )
        code = self.process.exitcode or 0
        self.process.close()
        self.process = None
        while self.read_errors() and self._has_errors():
            pass
        sweep(self.control.temporary())
        if self.ended_by:
            return self.ended_by
        return _cause(code) if own_end else "closed its pipe"

    def _has_errors(self) -> bool:
        import select

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


@contextmanager
def spawning() -> Iterator[None]:
    """Around the start of workers: their environment, no Ctrl-C for them, and no re-import of the caller's script.

    SIGINT is blocked and not ignored: a child inherits that too and ignores the signal before it unblocks it, and a
    Ctrl-C that comes meanwhile is delivered to us afterwards.
    """
    main_module = sys.modules["__main__"]
    before = {name: os.environ.get(name) for name in CHILD_ENVIRONMENT}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(CHILD_ENVIRONMENT)
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main_module
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
