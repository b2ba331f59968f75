"""The reducers of a writer's worker: what they give of its frames, on its way to the parent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count

from ..contracts.frame import Frame
from ..contracts.reducer import Reducer
from ..contracts.stage import Stage
from ..plan.chain import Now, naming
from ..plan.model import Plan
from ..transport.control_block import Control
from ..transport.partial_code import FILE, Mapped, pack
from .output import Output

_numbers = count(1)


class Mapping:
    """Maps frames, and packs what came of those of one lease.

    Args:
        stages: of the last group, opened; the reducers are the ones before the last.
        now: told the number of the stage that runs. first: number of the first of these stages.
    """

    def __init__(self, plan: Plan, stages: Sequence[Stage], now: Now, first: int) -> None:
        end = len(stages) - 1
        reducers = [stage for stage in stages[end - plan.reducing : end] if isinstance(stage, Reducer)]
        labels = [stage.label for stage in plan.reducers]
        self.reducers = list(zip(labels, reducers, range(first + end - plan.reducing, first + end), strict=True))
        self.now = now
        self._lines: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self.reducers)

    def map(self, frame: Frame) -> None:
        """Have every reducer look at the frame. Raises StageError, which names the reducer."""
        for place, (label, reducer, number) in enumerate(self.reducers):
            self.now(number)
            with naming(label):
                partial = reducer.map(frame)
                if partial is not None:
                    self._lines.append(pack(Mapped(place, frame.index, partial)))

    def take(self) -> bytes:
        """What was given since the last time, packed; b"" for nothing."""
        lines, self._lines = self._lines, []
        return b"\n".join(lines)


def given(mapping: Mapping, output: Output) -> bytes:
    """What reducers gave and which members were saved since the last time, in lines."""
    partials = mapping.take() if mapping else b""
    members = output.staging.take() if output.staging is not None else b""
    return partials + b"\n" + members if partials and members else partials or members


def within_room(plan: Plan, run: str, data: bytes, control: Control) -> bytes:
    """What was given; where the control block has no room for it, the name of a file with it."""
    folder = plan.partials_dir
    if len(data) <= control.most_partial:
        return data
    if folder is None or not os.path.isdir(folder):  # a run without a journal, such as a trial: nobody keeps it
        return b""
    name = f"{run}-{next(_numbers)}"
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return FILE + os.fsencode(name)
