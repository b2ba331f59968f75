"""The parent's side of the fork server (`worker/forking.py`): start it, have it fork workers, see that they end.

It may be killed at any moment, also while it starts: every call says so with ForkServerLost, and never waits for long.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from ..errors import EnvironmentRefusal
from ..worker import Boot
from ..worker.forking import ANSWER, FORK, LENGTH, REAP

# Read by the libraries and by glibc when a process starts. One thread a library: workers are the parallelism.
# glibc hands large blocks back and faults them in again for every frame unless it is told to keep them.
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": str(16 << 20),  # at 64 MiB, what is cleared before use (calloc) kept 40 MB more resident
    # With a heap for each of a decoder's threads, a worker grew by 2 KB a frame, one new heap after the other. With one
    # heap for all it stays as it is.
    "MALLOC_ARENA_MAX": "1",
}
ENTRY = (
    "import sys; sys.path[:] = sys.argv[3:]; from pipeline.worker.forking import main; "
    "main(int(sys.argv[1]), int(sys.argv[2]))"
)
START_S = 60.0  # a loaded machine may take long to import numpy
ANSWER_S = 5.0  # a fork takes milliseconds: one that is ready and says nothing is replaced
LOOK_S = 0.25  # one that two looks find stopped is replaced at once: by a signal, a debugger left behind
END_S = 5.0


class ForkServerLost(Exception):
    """The fork server is gone, and with it all that it forked."""


class Child:
    """A worker process: forked by the server, watched and ended by us through a descriptor that means it alone."""

    def __init__(self, pid: int, parent: int) -> None:
        self.pid = pid
        self.parent = parent
        self._fd = os.pidfd_open(pid)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; nothing happens when it has ended already."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end, at most so long."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def close(self) -> None:
        """Free the descriptor."""
        os.close(self._fd)


class ForkServer:
    """Starts at once and gets ready by itself: who knows that there will be a run starts it early.

    Call all of it from the main thread: the kernel ties the server's life, and so the workers', to that thread.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        """Ctrl-C and SIGTERM are blocked in it from birth: they are the parent's. Workers disarm, then unblock them."""
        self._ready = False
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(START_S)
        python = [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very Python, with code of our own
                [*python, "-c", ENTRY, str(theirs.fileno()), str(os.getpid()), *sys.path],
                env=os.environ | CHILD_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            self._socket.close()
            raise refusal(error.strerror or str(error)) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()

    def fork(self, boot: Boot, fds: Sequence[int]) -> Child:
        """A new worker, which gets these descriptors. Waits until the server is ready.

        Raises:
            ForkServerLost: it was killed, or does not answer; `restart` and try again.
            EnvironmentRefusal: no more processes or descriptors are to be had.
        """
        pid = self._ask((FORK, boot), fds)
        if pid < 0:
            raise refusal(os.strerror(-pid))
        try:
            return Child(pid, self._process.pid)
        except ProcessLookupError as error:  # the server died after its answer, and the worker with it
            raise ForkServerLost from error
        except OSError:
            self.close()  # a worker that cannot be watched must not stay
            raise

    def reap(self, child: Child) -> int | None:
        """The exit code of a worker that has ended (-N for signal N), or None where its server is gone too."""
        if child.parent != self._process.pid:
            return None
        try:
            return self._ask((REAP, child.pid))
        except ForkServerLost:
            return None

    def restart(self) -> None:
        """A new server in place of one that was lost; its workers are gone too: the kernel has seen to it.

        Raises:
            EnvironmentRefusal: it ended by itself before it was ready, so another one would as well.
        """
        self.close()
        status = self._process.returncode
        if not self._ready and status >= 0:
            raise refusal(f"the process that forks them did not get ready (exit status {status})")
        self._start()

    def abandon(self) -> None:
        """End it and its workers now, also from a signal handler: a call that waits for it gets ForkServerLost."""
        self._process.kill()

    def close(self) -> None:
        """End it; safe to call twice. Workers that are left end with it."""
        self._socket.close()
        try:
            self._process.wait(END_S if self._ready and not is_stopped(self._process.pid) else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: object, fds: Sequence[int] = ()) -> int:
        data = pickle.dumps(request)
        try:
            socket.send_fds(self._socket, [LENGTH.pack(len(data))], fds)
            self._socket.sendall(data)
            answer = self._hear()
        except TimeoutError as error:  # what may answer later must not be heard any more
            self._process.kill()
            raise ForkServerLost from error
        except OSError as error:
            self._give_up()
            raise ForkServerLost from error
        if len(answer) < ANSWER.size:
            self._give_up()
            raise ForkServerLost
        self._ready = True
        return int(ANSWER.unpack(answer)[0])

    def _hear(self) -> bytes:
        """Its answer. Raises TimeoutError where it says nothing for long, or does not run."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        silent_from, stopped = time.monotonic(), False
        while not waiting.poll(LOOK_S * 1000):
            was, stopped = stopped, is_stopped(self._process.pid)
            silence_s = time.monotonic() - silent_from
            if (was and stopped) or silence_s > (ANSWER_S if self._ready else START_S):
                raise TimeoutError
        return self._socket.recv(ANSWER.size, socket.MSG_WAITALL)

    def _give_up(self) -> None:
        """It has closed its end: wait for how it ended, or end it."""
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()


def is_stopped(pid: int) -> bool:
    """Whether a process is held by a signal; False where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] == b"T"
    except OSError:
        return False


def refusal(why: str) -> EnvironmentRefusal:
    """A worker cannot be started, for this reason."""
    remedy = "fewer workers, or a higher limit of processes and open files (ulimit -u, -n)"
    return EnvironmentRefusal(f"a worker cannot be started: {why}", remedy=remedy)
