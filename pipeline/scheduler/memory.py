"""Memory: who gets a region, and when. First come first served; in-order runs serve in the order of the input.

A frame asks once and is granted everything it will need on its way, so a granted frame never waits for memory. In a
run that keeps order, a younger frame must not take what an older one still needs (it would wait for it for ever): there
a request is served only when all older ones have been.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Protocol

from ..transport.records import UNIT, region_nbytes
from .state import Unit

MiB = 1 << 20


RELEARN = 1024  # grants after which the usual size is learned anew, so one giant does not set it for ever


class Pool(Protocol):
    """The allocator as admission needs it; `arena.Allocator` is one."""

    @property
    def capacity(self) -> int: ...
    def take(self, nbytes: int) -> int | None: ...
    def give(self, offset: int) -> None: ...


class Admission:
    """The line of units that wait for memory.

    Args:
        pool: what regions are taken from.
        ordered: younger items wait until older ones were granted.
        many: an item asks once for each of its frames.
    """

    def __init__(self, pool: Pool, *, ordered: bool, many: bool) -> None:
        self.pool = pool
        self.ordered = ordered
        self.many = many
        self.fixed = False
        self.usual: tuple[int, int, int] | None = None
        self._granted_unasked = 0
        self._refused: list[Unit] = []
        self._line: deque[Unit] = deque()
        self._turns: list[tuple[int, int, Unit]] = []  # ordered runs: units that have not been granted all they need
        self._tie = 0

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._line) or bool(self._turns)

    def enter(self, unit: Unit) -> None:
        """In an ordered run: the unit has its turn before all younger items."""
        if self.ordered:
            self._tie += 1
            heapq.heappush(self._turns, (unit.item.number, self._tie, unit))

    def speculate(self, unit: Unit) -> bool:
        """Lend a region of the usual size before it is asked for; False where that would break the order."""
        if self.usual is None or self._line or self._turns or (self.ordered and not self.fixed):
            return False
        a, b, m = self.usual
        self._granted_unasked += 1
        if self._granted_unasked >= RELEARN and not self.fixed:
            self._granted_unasked, self.usual = 0, None
        return self._place(unit, a, b, m, region_nbytes(a, b, m))

    def fits(self, nbytes: int) -> bool:
        """Whether so many bytes can ever be lent at once."""
        return nbytes <= self.pool.capacity

    def ask(self, unit: Unit, extents: tuple[int, int, int], span: int) -> None:
        """The unit needs a region of `span` bytes; it is served in its turn."""
        unit.a, unit.b, unit.m = extents
        unit.span = span
        unit.asking = True
        if self.ordered:
            return
        self._line.append(unit)

    def ask_now(self, unit: Unit, extents: tuple[int, int, int], span: int) -> bool:
        """Lend what the unit needs if nobody waits and it is there; False leaves all as it was."""
        return not self.ordered and not self._line and self._place(unit, *extents, span)

    def forget(self, unit: Unit) -> None:
        """The unit's worker was lost before it was served; it will ask again."""
        unit.asking = False
        if unit in self._line:
            self._line.remove(unit)

    def learn(self, extents: tuple[int, int, int], *, fixed: bool = False) -> None:
        """Keep the largest need as the usual size; `fixed` says that every frame needs just this."""
        self.fixed = fixed
        a, b, m = self.usual or (0, 0, 0)
        self.usual = (max(a, extents[0]), max(b, extents[1]), max(m, extents[2]))

    def serve(self) -> list[Unit]:
        """The units that have their region now, in their turn."""
        return self._serve_in_order() if self.ordered else self._serve_line()

    def refused(self) -> list[Unit]:
        """Units whose need outgrew the arena while they waited (it shrank: shared memory ran out)."""
        refused, self._refused = self._refused, []
        return refused

    def _serve_line(self) -> list[Unit]:
        served: list[Unit] = []
        while self._line:
            if not self._settle(self._line[0], served):
                break
            self._line.popleft()
        return served

    def _serve_in_order(self) -> list[Unit]:
        served: list[Unit] = []
        while self._turns:
            unit = self._turns[0][2]
            if unit.asking and not self._settle(unit, served):
                break
            granted = unit.region >= 0 and not self.many
            if not (granted or unit.ended or unit.dead):
                break
            heapq.heappop(self._turns)
        return served

    def _settle(self, unit: Unit, served: list[Unit]) -> bool:
        """Answer a request: granted (or nobody wants it any more), never to be had; False while it must wait."""
        if unit.dead or self._place(unit, unit.a, unit.b, unit.m, unit.span):
            served.append(unit)
        elif self.fits(unit.span):
            return False
        else:
            self._refused.append(unit)
        unit.asking = False
        return True

    def _place(self, unit: Unit, a: int, b: int, m: int, span: int) -> bool:
        offset = self.pool.take(span)
        if offset is None:
            return False
        unit.region, unit.a, unit.b, unit.m, unit.span = offset, a, b, m, span
        return True

    def give_back(self, unit: Unit) -> None:
        """The unit's region is free again."""
        if unit.region >= 0:
            self.pool.give(unit.region)
            unit.region = -1

    def refusal(self, span: int, extents: tuple[int, int, int], slots: int) -> str:
        """Why so much can never be lent: the arithmetic."""
        a, b, m = (UNIT * size / MiB for size in extents)
        times = f" x {slots} frames" if slots > 1 else ""
        return (
            f"needs {span / MiB:.1f} MiB of the arena ({a:.1f} + {b:.1f} for pixels + {m:.1f} for metadata{times}); "
            f"the arena holds {self.pool.capacity / MiB:.1f} MiB; raise `queues: {{memory: ...}}`"
        )
