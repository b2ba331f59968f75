"""The child: pin, open stages, receive, run, report. The only code that calls stages of users in a run.

forking       the fork server, which all workers are forked from
worker_loop   records in and out, waiting for what the parent lends
work          what the workers of every group have; works chooses what a group does:
reading, transforming, writing
views         frames as views of the arena
runner        the transforms of a group on one frame, on private scratch
whole         the whole chain on one item: fused groups and the serial run
loading       lent to readers: bytes of a file, pictures at the smallest scale
folders       folders of outputs, opened once and known to lie where they should
output        lent to writers: a temporary file, then a rename; staging: members of archives, until they are packed
mapping       what the reducers of a writer's worker give of a frame; merging: the process that puts it together
causes        from an exception to a Cause
sandbox       what the kernel forbids a worker; forbidden_calls: the numbers of the calls
printing      what stages print, on its way to the parent
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NamedTuple

from ..errors import EnvironmentRefusal
from ..plan.confinement import confinement
from ..plan.machine import pin_self
from ..plan.model import GroupPlan, Plan


class Boot(NamedTuple):
    """All that a worker is sent at start.

    Attributes:
        group: number of its group in the plan.
        arena_nbytes, control: size of the arena and offset of its own control block.
        run: short name of the run, part of temporary file names.
    """

    plan: Plan
    group: int
    arena_nbytes: int
    control: int
    run: str


def main(boot: Boot, parent: int, arena: int, commands: int, results: int, errors: int) -> None:
    """What a fork of the fork server, process `parent`, does to its end. Its stages are imported after it is pinned."""
    # Both go to the whole group, and are the parent's to answer. SIGTERM is handled, not ignored: what a stage starts
    # would inherit that, and could not be ended by it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _not_ours)
    signal.siginterrupt(signal.SIGTERM, False)
    for fd in (arena, commands, results):
        os.set_inheritable(fd, False)  # a program that a stage leaves behind must not hold our pipes open
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    os.dup2(errors, 2)
    os.dup2(2, 1)  # what a stage prints must not mix with the report on standard output
    os.close(errors)
    group = boot.plan.groups[boot.group]
    end_with_parent(parent, name=f"pl-{group.name}")
    _schedule_as_usual()
    _volunteer_for_memory_kill()
    if group.cores is not None:
        pin_self(group.cores)
    held = _confine(boot.plan, group)
    import faulthandler

    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)

    from .worker_loop import WorkerLoop

    WorkerLoop(boot, arena, commands, results, held).run()


def _confine(plan: Plan, group: GroupPlan) -> int:
    """From here on the worker may touch only what its group needs, as far as the kernel sees to it; bits of what holds.

    Raises:
        EnvironmentRefusal: a sandbox is required, and the kernel does not do all of it.
    """
    rules = confinement(plan, group)
    if rules is None:
        return 0
    from . import sandbox

    held = sandbox.apply(rules)
    if plan.settings.sandbox == "require" and held != sandbox.SECCOMP | sandbox.LANDLOCK_HOLDS:
        raise EnvironmentRefusal(
            "the sandbox that `sandbox: require` asks for cannot be had",
            limit=f"the system does {sandbox.features(held) or 'nothing'} of seccomp and Landlock",
            remedy="`sandbox: auto` takes what there is",
        )
    return held


def _not_ours(number: int, frame: object) -> None:
    """A signal that the parent answers."""


def end_with_parent(parent: int, *, name: str = "pl-forking") -> None:
    """No child outlives its parent: on Linux the kernel sees to it; elsewhere end of file on the pipe does.

    `name` is what `ps -o comm` and `top` show for the process.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig, pr_set_name = 1, 15
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(pr_set_name, os.fsencode(name)[:15], 0, 0, 0)
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
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


__all__ = ["Boot", "end_with_parent", "main"]
