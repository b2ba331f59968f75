"""Transform groups: one frame in, one frame out; or one in and several out."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..contracts.stage import Stage, Transform
from ..errors import ItemError
from ..plan.chain import Link, chain_of, naming, transforms_of
from ..transport.records import (
    DONE,
    EMIT,
    ENDED,
    FLAGS,
    HEADER_NBYTES,
    MADE,
    NTH,
    OFFSET,
    PROPERTIES,
    SIDE_B,
    SLOTS,
    SPEC,
    UNIT,
    A,
    B,
    Record,
    units,
)  # fmt: skip
from . import Boot
from .runner import Runner, Steps
from .views import Known
from .work import Parent, Work


def opened_here(links: Sequence[Link], stages: Sequence[Stage]) -> list[Link]:
    """The links with the instances that this worker opens."""
    return [
        link._replace(stage=stage) for link, stage in zip(links, stages, strict=False) if isinstance(stage, Transform)
    ]


class Transforming(Work):
    """One frame in, one frame out, in the other extent of its region."""

    def __init__(self, boot: Boot, parent: Parent) -> None:
        super().__init__(boot, parent)
        self.links = opened_here(transforms_of(self.plan, boot.group), self.stages)
        self.runner = Runner(self.links, self.now)
        self._bound: dict[bytes, tuple[Steps, Known]] = {}

    def carry_out(self, record: Record) -> None:
        """Run the stages on one frame."""
        start = time.perf_counter_ns()
        views = self.views
        frame = views.frame(record)
        bound = self._bound.get(record[SPEC])
        if bound is None:
            steps = self.runner.plan(frame.spec)
            bound = self._bound[record[SPEC]] = (steps, views.by_spec(steps.out))
        steps, known = bound
        flags = record[FLAGS] & (SIDE_B | PROPERTIES)
        if steps.last < 0:  # they only looked: the frame goes on where it lies
            self.runner.run(frame, None, steps)
        else:
            flags ^= SIDE_B
            out = views.view(self._extent(record, flags, known), known, writable=True)
            self.runner.run(frame, out, steps)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.parent.answer(DONE, flags, spec=known.code, busy_us=busy_us)

    def _extent(self, record: Record, flags: int, known: Known) -> int:
        """Offset of the other extent; the reader asked for room enough, and that is checked here once more."""
        a, b = record[A], record[B]
        room = b if flags & SIDE_B else a
        if known.nbytes > room * UNIT:
            raise ItemError(f"{known.spec} needs {known.nbytes} bytes, its extent has {room * UNIT} bytes")
        return record[OFFSET] + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)


class Expanding(Transforming):
    """One frame in, several frames out, each in a region of its own."""

    def __init__(self, boot: Boot, parent: Parent) -> None:
        super().__init__(boot, parent)
        self.chain = chain_of(self.plan, self.now)

    def carry_out(self, record: Record) -> None:
        """Make the parts of one frame, but those that an earlier attempt has made."""
        frame = self.views.frame(record)
        made, index, metadata = record[MADE], record[NTH], frame.metadata
        most = self.runner.most(frame.spec)
        route = self.chain.route(self.runner.plan(frame.spec).out, first=self.boot.group)  # what the reader reserved
        parts = self.runner.expand(frame)
        asked = False
        for number in range(most + 1):
            start = time.perf_counter_ns()
            part = next(parts, None)
            if part is None:
                break
            if number == most:
                with naming(self.links[-1].label):
                    raise ItemError(f"made more than the {number} frames it declares")
            if number < made:
                continue
            part.inherit(frame)
            waited = time.perf_counter_ns()
            if not asked:
                asked = True
                extents = (route.a, route.b, units(metadata.nbytes))
                self.parent.ask_memory(extents, route.nbytes(metadata.nbytes), flags=SLOTS, slots=1)
            region = self.parent.granted()
            waited = time.perf_counter_ns() - waited
            with naming(self.links[-1].label):
                flags, code = self.views.fill(part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.parent.answer(EMIT, flags, nth=index + number * route.parts, spec=code, busy_us=busy_us)
        self.parent.answer(ENDED)
