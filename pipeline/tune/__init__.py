"""`pipeline tune`: the number of workers of each group, found by short real runs.

figures     what a trial measured; what a unit costs, what limits; which vectors follow from it (pure)
search      rounds of trials, the final, whether the difference is more than noise (pure)
trial       one short run on real input with outputs in a scratch folder
rewrite     numbers put into a YAML file where they stand
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from ..config.keys import MAX_WORKERS
from ..plan.machine import memory_limit_nbytes
from ..plan.model import GroupPlan, Plan
from .figures import Trial, Vector
from .rewrite import check, rewrite
from .search import Result, Row, Search
from .trial import Interrupted, Scene

__all__ = ["Interrupted", "Result", "Row", "Trial", "Vector", "bound", "check", "present", "rewrite", "tune"]

PER_CORE = 8  # workers of a group per core, at most: a stage that waits wants many, and each is a process
LEAST = 4
FILES, FILES_EACH = 64, 4  # descriptors of the parent, and for each worker: three pipes and its process
ENDING_S = 1.0  # of the time, for the start and the end of the command
WORKER_NBYTES = 100 << 20  # of memory for each, a quarter of it at most


def tune(plan: Plan, seconds: float = 60.0, *, watch: Callable[[Trial], None] | None = None) -> Result:
    """Find the workers of each group with which a plan goes fastest. Call from the main thread.

    Args:
        plan: its worker counts are the present ones.
        seconds: for all trials together.
        watch: told of each trial as it ends.

    Raises:
        UsageError: there is no input, or the outputs cannot be led to a scratch folder.
        StopRun: no input could be done.
        Interrupted: Ctrl-C or SIGTERM; the scratch folder is gone by then.
    """
    began = time.monotonic()
    cores = len(plan.usable_cores) or 1
    room = _room(len(plan.groups))
    most = tuple(_most(group, cores, room) for group in plan.groups)
    with Scene(plan) as scene:

        def attempt(vector: Vector, window_s: float) -> Trial:
            trial = scene.run(vector, window_s, patience_s=seconds / 4)
            if watch is not None:
                watch(trial)
            return trial

        left = seconds - (time.monotonic() - began) - ENDING_S
        return Search(present(plan), most, cores, left, attempt, time.monotonic).go()


def present(plan: Plan) -> Vector:
    """The workers of each group that a plan has."""
    return tuple(group.workers for group in plan.groups)


def bound(group: GroupPlan) -> int | None:
    """The most workers that the stages of a group allow; None where they allow any number."""
    bounds: list[int | None] = [stage.build().max_workers for stage in group.stages]
    return min((most for most in bounds if most is not None), default=None)


def _most(group: GroupPlan, cores: int, room: int) -> int:
    """The most workers tried: what its stages allow, what there is room for, and some per core."""
    most = max(LEAST, PER_CORE * len(group.cores or range(cores)))
    return min(most, room, bound(group) or room)


def _room(groups: int) -> int:
    """How many workers each group may have, so that memory and descriptors are enough if all have as many."""
    by_memory = memory_limit_nbytes() // 4 // WORKER_NBYTES
    by_files = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES) // FILES_EACH
    return max(LEAST, min(MAX_WORKERS, by_memory // groups, by_files // groups))
