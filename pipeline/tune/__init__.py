"""`pipeline tune`: the number of workers of each group, found by short real runs.

figures     what a trial measured; what a unit costs, what limits; which vectors follow from it (pure)
search      rounds of trials, the final, whether the difference is more than noise (pure)
trial       one short run on real input with outputs in a scratch folder
rewrite     numbers put into a YAML file where they stand
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..affinity import memory_limit_nbytes
from ..plan import GroupPlan, Plan
from .figures import Trial, Vector
from .rewrite import rewrite
from .search import Line, Result, Search
from .trial import Interrupted, Scene

__all__ = ["Interrupted", "Line", "Result", "Trial", "Vector", "present", "rewrite", "tune"]

PER_CORE = 8  # workers of a group per core, at most: a stage that waits wants many, and each is a process
LEAST = 4
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
    cores = len(plan.usable_cores) or 1
    most = tuple(_most(group, cores) for group in plan.groups)
    with Scene(plan) as scene:

        def attempt(vector: Vector, window_s: float) -> Trial:
            trial = scene.run(vector, window_s)
            if watch is not None:
                watch(trial)
            return trial

        return Search(present(plan), most, cores, seconds, attempt, time.monotonic).go()


def present(plan: Plan) -> Vector:
    """The workers of each group that a plan has."""
    return tuple(group.workers for group in plan.groups)


def _most(group: GroupPlan, cores: int) -> int:
    """The most workers tried: what its stages allow, what memory allows, and some per core."""
    bounds: list[int | None] = [stage.build().max_workers for stage in group.stages]
    room = max(LEAST, memory_limit_nbytes() // 4 // WORKER_NBYTES)
    most = max(LEAST, PER_CORE * len(group.cores or range(cores)))
    return min([most, room, *(bound for bound in bounds if bound is not None)])
