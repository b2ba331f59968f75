"""The child: pin, open stages, loop receive-run-report. The only code that calls user stages in a run.

This module is imported before the worker is pinned, so it imports nothing heavy: numpy and the stages come after.

loop           records in and out, waiting for memory
role           what every role has: stages, and views of the arena
reading, transforming, writing   what a group does with a lease; roles chooses
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NamedTuple

from ..affinity import pin_self
from ..plan import Plan


class Boot(NamedTuple):
    """All that a worker is sent at start.

    Attributes:
        group: number of its group in the plan.
        arena_nbytes, control: size of the arena and offset of its own control block.
        parent: process id of the parent, to notice when that died before we could ask to be told.
        run: short name of the run, part of temporary file names.
    """

    plan: Plan
    group: int
    arena_nbytes: int
    control: int
    parent: int
    run: str


def main(boot: Boot, arena: Any, commands: Any, results: Any, errors: Any) -> None:
    """Entry of a worker process; the four handles are inherited descriptors (DupFd)."""
    fds = [handle.detach() for handle in (arena, commands, results, errors)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.dup2(fds[3], 2)
    os.dup2(2, 1)  # what a stage prints must not mix with the report on standard output
    os.close(fds[3])
    _end_with_parent(boot.parent)
    _schedule_as_usual()
    _volunteer_for_memory_kill()
    cores = boot.plan.groups[boot.group].cores
    if cores is not None:
        pin_self(cores)
    import faulthandler

    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)

    from .loop import Loop

    Loop(boot, *fds[:3]).run()


def _end_with_parent(parent: int) -> None:
    """No child outlives the parent: on Linux the kernel sees to it; elsewhere end of file on the pipe does."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _schedule_as_usual() -> None:
    """A worker that replaces another is started by a parent that yields to its workers; that is not ours to keep."""
    if hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_BATCH:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _volunteer_for_memory_kill() -> None:
    """When memory runs out, the kernel should take a worker, which is replaced, and not the parent."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass  # no /proc here (macOS), or a container that does not allow it: then the kernel chooses by itself


__all__ = ["Boot", "main"]
