"""Transform groups: one frame in, one frame out; or one in and several out."""

from __future__ import annotations

import time

from ..contracts.stage import Transform
from ..errors import ItemError
from ..plan.chain import Link, StageError, chain_of
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
)
from . import Boot
from .runner import Runner, Steps
from .work import Known, Parent, Role, fill


class TransformRole(Role):
    """One frame in, one frame out, in the other extent of its region."""

    def __init__(self, boot: Boot, loop: Parent) -> None:
        super().__init__(boot, loop)
        self.links: list[Link] = [
            (label, stage)
            for label, stage in zip(self.labels, self.stages, strict=True)
            if isinstance(stage, Transform)
        ]
        self.runner = Runner(self.links, self.now)
        self._bound: dict[bytes, tuple[Steps, Known]] = {}

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        frame = self.frame(record)
        bound = self._bound.get(record[SPEC])
        if bound is None:
            steps = self.runner.plan(frame.spec)
            bound = self._bound[record[SPEC]] = (steps, self.by_spec(steps.out))
        steps, known = bound
        flags = record[FLAGS] & (SIDE_B | PROPERTIES)
        if steps.last < 0:
            self.runner.run(frame, None, steps)
        else:
            flags ^= SIDE_B
            self.runner.run(frame, self.view(self._extent(record, flags, known), known, writable=True), steps)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.loop.answer(DONE, flags, spec=known.code, busy_us=busy_us)

    def _extent(self, record: Record, flags: int, known: Known) -> int:
        """Offset of the other extent; the reader asked for room enough, and that is checked here once more."""
        a, b = record[A], record[B]
        room = b if flags & SIDE_B else a
        if known.nbytes > room * UNIT:
            raise StageError(
                self.label, ItemError(f"{known.spec} needs {known.nbytes} bytes, its extent has {room * UNIT} bytes")
            )
        return record[OFFSET] + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)


class ExpandRole(TransformRole):
    """One frame in, several frames out, each in a region of its own."""

    def __init__(self, boot: Boot, loop: Parent) -> None:
        super().__init__(boot, loop)
        self.chain = chain_of(self.plan)

    def work(self, record: Record) -> None:
        frame = self.frame(record)
        made, metadata, index = record[MADE], frame.metadata, record[NTH]
        most = self.runner.most(frame.spec)
        route = self.chain.route(self.runner.plan(frame.spec).out, first=self.boot.group)  # what the reader reserved
        nbytes = route.nbytes(metadata.nbytes)
        extents = (route.a, route.b, units(metadata.nbytes))
        parts = self.runner.expand(frame)
        asked = False
        for number in range(most + 1):
            start = time.perf_counter_ns()
            part = next(parts, None)
            if part is None:
                break
            if number == most:
                raise StageError(self.label, ItemError(f"made more than the {number} frames it declares"))
            if number < made:
                continue
            part.inherit(frame)
            waited = time.perf_counter_ns()
            if not asked:
                asked = True
                self.loop.ask_memory(extents, nbytes, flags=SLOTS, slots=1)
            region = self.loop.granted()
            waited = time.perf_counter_ns() - waited
            flags, code = fill(self, part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.loop.answer(EMIT, flags, nth=index * most + number, spec=code, busy_us=busy_us)
        self.loop.answer(ENDED)
