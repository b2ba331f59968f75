"""Memory: who gets a region, and when. First come first served; in-order runs serve in the order of the input.

A frame asks once and is granted everything it will need on its way, so a granted frame never waits for memory. In a
run that keeps order, a younger frame must not take what an older one still needs (it would wait for it for ever): there
a request is served only when all older ones have been. Pure; what workers are told of it is said by `answers`.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Protocol

from ..transport.records import UNIT, region_nbytes
from .entities import Unit

MiB = 1 << 20
RELEARN = 1024  # grants after which the usual size is learned anew, so one giant does not set it for ever


class Pool(Protocol):
    """What regions are taken from; `transport.allocator.Allocator` is one."""

    @property
    def capacity(self) -> int: ...
    def take(self, nbytes: int) -> int | None: ...
    def give(self, offset: int) -> None: ...


class Memory:
    """The regions that are lent, and the units that wait for one.

    Args:
        pool: what regions are taken from.
        ordered: younger items wait until older ones were granted.
        many: an item asks once for each of its frames.

    Attributes:
        waiting: units that asked, first come first; unused in an ordered run.
        turns: in an ordered run, a heap of the units that have not been granted all they need, oldest item first.
    """

    def __init__(self, pool: Pool, *, ordered: bool, many: bool) -> None:
        self.pool = pool
        self.ordered = ordered
        self.waiting: deque[Unit] = deque()
        self.turns: list[tuple[int, int, Unit]] = []
        self._many = many
        self._fixed = False
        self._usual: tuple[int, int, int] | None = None
        self._granted_unasked = 0
        self._tie = 0

    # ---- unasked -----------------------------------------------------------------------------------------------

    def learn(self, extents: tuple[int, int, int], *, fixed: bool = False) -> None:
        """Keep the largest need as the usual size; `fixed` says that every frame needs just this."""
        self._fixed = fixed
        a, b, m = extents
        most_a, most_b, most_m = self._usual or (0, 0, 0)
        self._usual = (max(a, most_a), max(b, most_b), max(m, most_m))

    def speculate(self, unit: Unit) -> bool:
        """Lend a region of the usual size before it is asked for; False where that would break the order."""
        usual = self._usual
        if usual is None or self.waiting or self.turns or (self.ordered and not self._fixed):
            return False
        self._granted_unasked += 1
        if self._granted_unasked >= RELEARN and not self._fixed:
            self._granted_unasked, self._usual = 0, None
        a, b, m = usual
        return self._lend(unit, a, b, m, region_nbytes(a, b, m))

    def enter(self, unit: Unit) -> None:
        """In an ordered run: the unit has its turn before all younger items."""
        if self.ordered:
            self._tie += 1
            heapq.heappush(self.turns, (unit.item.number, self._tie, unit))

    # ---- asked -------------------------------------------------------------------------------------------------

    def fits(self, nbytes: int) -> bool:
        """Whether a region of `nbytes` can ever be lent."""
        return nbytes <= self.pool.capacity

    def ask(self, unit: Unit) -> None:
        """The unit needs a region of the extents and the span that it has now; it is served in its turn."""
        unit.asking = True
        if not self.ordered:
            self.waiting.append(unit)

    def ask_now(self, unit: Unit, extents: tuple[int, int, int], span: int) -> bool:
        """Lend what the unit needs if no unit waits and it is there; False leaves all as it was."""
        return not self.ordered and not self.waiting and self._lend(unit, *extents, span)

    def forget(self, unit: Unit) -> None:
        """The unit's worker was lost before it was served; it will ask again."""
        unit.asking = False
        if unit in self.waiting:
            self.waiting.remove(unit)

    def serve(self) -> tuple[list[Unit], list[Unit]]:
        """The units that have their region now (or are dead, and want none), in their turn; those that never will.

        A need that once fitted may have outgrown the arena meanwhile: it shrinks where shared memory runs out.
        """
        served: list[Unit] = []
        refused: list[Unit] = []
        if self.ordered:
            self._serve_in_order(served, refused)
        else:
            while self.waiting and self._settle(self.waiting[0], served, refused):
                self.waiting.popleft()
        return served, refused

    def _serve_in_order(self, served: list[Unit], refused: list[Unit]) -> None:
        while self.turns:
            *_, unit = self.turns[0]
            if unit.asking and not self._settle(unit, served, refused):
                return
            granted = unit.region >= 0 and not self._many
            if not (granted or unit.ended or unit.dead):
                return
            heapq.heappop(self.turns)

    def _settle(self, unit: Unit, served: list[Unit], refused: list[Unit]) -> bool:
        """Answer a request; False while it must wait."""
        if unit.dead or self._lend(unit, unit.a, unit.b, unit.m, unit.span):
            served.append(unit)
        elif self.fits(unit.span):
            return False
        else:
            refused.append(unit)
        unit.asking = False
        return True

    def refusal(self, unit: Unit, slots: int) -> str:
        """Why what this unit needs, in regions for `slots` frames, can never be lent: the arithmetic."""
        a, b, m = (UNIT * size / MiB for size in (unit.a, unit.b, unit.m))
        times = f" x {slots} frames" if slots > 1 else ""
        return (
            f"needs {unit.span / MiB:.1f} MiB of the arena ({a:.1f} + {b:.1f} for pixels + {m:.1f} for metadata"
            f"{times}); the arena holds {self.pool.capacity / MiB:.1f} MiB; raise `queues: {{memory: ...}}`"
        )

    # ---- regions -----------------------------------------------------------------------------------------------

    def give_back(self, unit: Unit) -> None:
        """The unit's region is free again."""
        if unit.region >= 0:
            self.pool.give(unit.region)
            unit.region = -1

    def recall(self, unit: Unit) -> None:
        """Take back what was lent unasked; the unit has its turn like one that was lent nothing."""
        self.give_back(unit)
        self.enter(unit)

    def _lend(self, unit: Unit, a: int, b: int, m: int, span: int) -> bool:
        offset = self.pool.take(span)
        if offset is None:
            return False
        unit.region, unit.a, unit.b, unit.m, unit.span = offset, a, b, m, span
        return True
