"""Reader groups: announce, ask for memory where it was not lent yet, decode straight into the arena."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

from ..contracts.contexts import Part
from ..contracts.frame import NO_METADATA
from ..contracts.spec import Spec
from ..contracts.stage import Reader
from ..plan.chain import Route, chain_of
from ..transport.records import (
    DONE,
    EMIT,
    ENDED,
    FLAGS,
    GRANTED,
    LEASE,
    MADE,
    SIDECAR_NBYTES,
    SLOT,
    SLOTS,
    SPAN,
    UNIT,
    Record,
    Region,
    region_nbytes,
    region_of,
    units,
)  # fmt: skip
from . import Boot
from .ahead import Ahead
from .loading import Loading, carry
from .work import Parent, Work, bounded

STREAM_METADATA_NBYTES = 4096  # room for the profile of a later picture of a sequence, where the first has none


def _enough(route: Route, m: int, lent: Region, span: int) -> bool:
    """Whether a region that was lent unasked holds what the route needs."""
    _, a, b, room = lent
    fits = route.a <= a and route.b <= b and m <= room
    return fits and (
        route.part is None or region_nbytes(a, b, room) + route.slots * route.part.nbytes(m * UNIT) <= span
    )


class Reading(Work):
    """Items in, frames out."""

    def __init__(self, boot: Boot, parent: Parent) -> None:
        super().__init__(boot, parent)
        self.reader = cast("Reader", self.stages[0])
        self.chain = chain_of(self.plan, self.now)
        self.loading = Loading(self.plan, self.chain.smallest, parent.remarks.append, parent.alive)
        if self.group.threads:
            self.ahead = Ahead(self.reader, self.plan.settings.limits, self.group.threads)
        self._routed: Spec | None = None
        self._route: Route

    def close(self) -> None:
        """Close the reader and the codecs it used."""
        super().close()
        self.loading.close()

    def fixed_extents(self) -> tuple[int, int]:
        """Those of the reader's Spec, where it has one for all frames."""
        spec = self.reader.fixed_spec()
        if spec is None:
            return 0, 0
        route = self.chain.route(spec)
        return (0, 0) if route.part is not None else (route.a, route.b)

    def carry_out(self, record: Record) -> None:
        """Read one item."""
        item, _ = self.parent.control.job(record[SLOT])
        self.now(self.first)
        self.load_with(self.loading, record[LEASE])
        self.loading.nbytes_read = 0
        parts = self.reader.read(item, self.loading)
        if self.plan.streams:
            self._stream(parts)
        elif self.plan.many:
            self._many(record, parts)
        else:
            self._single(record, parts)

    def _single(self, record: Record, parts: Iterator[Part]) -> None:
        start = time.perf_counter_ns()
        part = next(parts, None)
        if part is None:
            self.parent.answer(ENDED)
            return
        lent = region_of(record) if record[FLAGS] & GRANTED else None
        region, waited = self._region(part, lent, record[SPAN] * UNIT)
        flags, code = self.views.fill(part, region)
        busy_us = (time.perf_counter_ns() - start - waited) // 1000
        self.parent.answer(DONE, flags, nbytes=self.loading.nbytes_read, spec=code, busy_us=busy_us)

    def _many(self, record: Record, parts: Iterator[Part]) -> None:
        """Frames of any Spec: each asks for itself."""
        lent = region_of(record) if record[FLAGS] & GRANTED else None
        for number, (index, part) in enumerate(self._indexed(parts)):
            if number < record[MADE]:
                continue  # made before the worker that made it died
            start = time.perf_counter_ns()
            region, waited = self._region(part, lent, record[SPAN] * UNIT)
            lent = None
            flags, code = self.views.fill(part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.parent.answer(EMIT, flags, nth=index, spec=code, busy_us=busy_us)
        self.parent.answer(ENDED, nbytes=self.loading.nbytes_read)

    def _indexed(self, parts: Iterator[Part]) -> Iterator[tuple[int, Part]]:
        """Each frame with its index; where one becomes several, with that of the first of them."""
        index, step, spec = 0, 1, None
        for part in bounded(parts, self.plan):
            if part.spec is not spec:  # frames of a stream have one object
                spec, step = part.spec, self._route_of(part.spec).parts
            yield index, part
            index += step

    def _route_of(self, spec: Spec) -> Route:
        """The way of a frame; the stages that are asked for their Specs run meanwhile, and the reader afterwards."""
        route = self.chain.route(spec)
        self.now(self.first)
        return route

    def _region(self, part: Part, lent: Region | None, span: int) -> tuple[Region, int]:
        """A region for the part, and the nanoseconds waited for it: the one lent already where it is enough."""
        if part.spec is not self._routed:  # most folders hold few sizes, and codecs give equal Specs as one object
            self._routed, self._route = part.spec, self._route_of(part.spec)
        route, m = self._route, 0
        if part.metadata is not NO_METADATA:
            if part.metadata.nbytes > SIDECAR_NBYTES:
                part.metadata = carry(part.metadata)
            m = units(part.metadata.nbytes)
        if lent is not None and _enough(route, m, lent, span):
            return lent, 0
        asked = time.perf_counter_ns()
        self.parent.ask_memory((route.a, route.b, m), route.nbytes(part.metadata.nbytes))
        return self.parent.granted(), time.perf_counter_ns() - asked

    def _stream(self, parts: Iterator[Part]) -> None:
        """Frames of one Spec: asked for once, as many regions as can be in flight."""
        indexed = self._indexed(parts)
        while True:
            start = time.perf_counter_ns()
            following = next(indexed, None)
            if following is None:
                break
            index, part = following
            waited = time.perf_counter_ns()
            if not index:
                self._ask_slots(part)
            region = self.parent.granted()
            waited = time.perf_counter_ns() - waited
            flags, code = self.views.fill(part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.parent.answer(EMIT, flags, nth=index, spec=code, busy_us=busy_us)
        self.parent.answer(ENDED, nbytes=self.loading.nbytes_read)

    def _ask_slots(self, part: Part) -> None:
        route = self._route_of(part.spec)
        part.metadata = carry(part.metadata)
        beside = max(part.metadata.nbytes, STREAM_METADATA_NBYTES)
        nbytes = route.nbytes(beside)
        groups = self.plan.groups[1:]
        limits = [group.queue.depth + group.queue.credit.most * group.workers for group in groups]
        lanes = min([self.plan.groups[-1].workers, *limits])
        useful = 1 + sum(max(1, limit // lanes) for limit in limits)
        share = self.plan.memory_nbytes // lanes // nbytes
        slots = max(1, min(useful, share))
        self.parent.ask_memory((route.a, route.b, units(beside)), nbytes, flags=SLOTS, slots=slots)
