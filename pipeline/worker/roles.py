"""What a group does with a lease: read an item, transform a frame, write a frame, or the whole chain at once."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ..chain import Fused, Link, Pixels, Route, Runner, StageError, chain_of
from ..control import Control
from ..errors import ItemError
from ..frame import NO_METADATA, Frame, Item, Metadata, Spec
from ..loading import Loading
from ..messages import (
    DONE, EMIT, FRAME, GRANTED, HEADER_NBYTES, NO_SPEC, PASSED, PROPERTIES, SIDE_B, SLOTS, UNIT, region_nbytes, units,
)  # fmt: skip
from ..output import Output
from ..plan import Plan
from ..stage import Part, Reader, Stage, Transform, Writer
from . import Boot

Record = tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]
_PROPERTIES = struct.Struct("<?qqqIII")  # has pts, pts, time base, lengths of ICC, EXIF, XMP
NO_ITEM = Item(0, "")
VIEWS = 512


class Cancelled(Exception):  # noqa: N818 - an order from the parent, not an error
    """The item was given up while this worker was at it."""


class Refused(Exception):  # noqa: N818 - an answer from the parent, said in its words
    """The parent will not lend this memory, or not give this name."""


class Link2Parent(Protocol):
    """What a role needs of the loop."""

    map: Any
    control: Control
    slot: int
    lease: int

    def answer(self, kind: int, flags: int, nth: int, offset: int, spec: bytes, busy_us: int, extra: int = 0) -> None: ...
    def ask_memory(self, extents: tuple[int, int, int], span: int, *, flags: int = 0, slots: int = 0) -> None: ...
    def granted(self) -> tuple[int, int, int, int]: ...
    def claim(self, target: str) -> None: ...


def make_role(boot: Boot, loop: Link2Parent) -> Role:
    """The role of the worker's group."""
    group = boot.plan.groups[boot.group]
    if group.reads and group.writes:
        return FusedRole(boot, loop)
    if group.reads:
        return ReadRole(boot, loop)
    if group.writes:
        return WriteRole(boot, loop)
    return ExpandRole(boot, loop) if group.expands > 1 else TransformRole(boot, loop)


class Role:
    """Stages of one group, opened once, and views of the arena."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        self.boot = boot
        self.plan: Plan = boot.plan
        self.loop = loop
        self.group = boot.plan.groups[boot.group]
        self.writes = self.group.writes
        self.label = self.group.stages[0].label
        self.stages: list[Stage] = [stage.build() for stage in self.group.stages]
        self.labels = [stage.label for stage in self.group.stages]
        self._number = {label: number for number, label in enumerate(self.labels)}
        self._writable = memoryview(loop.map)
        self._read_only = self._writable.toreadonly()
        self._specs: dict[bytes, Spec] = {}
        self._codes: dict[Spec, bytes] = {}
        self._views: dict[tuple[int, Spec, bool], Pixels] = {}

    def open(self) -> None:
        """Open every stage; import what they need."""
        for stage in self.stages:
            stage.open()

    def close(self) -> None:
        """Close every stage."""
        for stage in self.stages:
            stage.close()

    def fixed_extents(self) -> tuple[int, int]:
        """Extents that every frame of this reader needs, where they are known beforehand."""
        return 0, 0

    def work(self, record: Record) -> None:
        """Carry out one Assign and answer it."""
        raise NotImplementedError

    def finish(self, record: Record) -> None:
        """The last frame of a stream was written; only writers are asked."""
        raise NotImplementedError

    def now(self, label: str) -> None:
        """This stage runs now; readable for the parent if we die."""
        self.loop.control.run(self.loop.lease, self._number.get(label, 0))

    def spec(self, code: bytes) -> Spec:
        """The Spec of these 24 bytes."""
        spec = self._specs.get(code)
        if spec is None:
            spec = self._specs[code] = Spec.unpack(code)
        return spec

    def code(self, spec: Spec) -> bytes:
        """The 24 bytes of this Spec."""
        code = self._codes.get(spec)
        if code is None:
            code = self._codes[spec] = spec.pack()
        return code

    def view(self, offset: int, spec: Spec, *, writable: bool = False) -> Pixels:
        """The array at this offset of the arena; no copy. Regions come back, so their views are kept."""
        key = (offset, spec, writable)
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= VIEWS:
                self._views.clear()
            memory = self._writable if writable else self._read_only
            count = spec.height * spec.width * spec.channels
            view = self._views[key] = np.frombuffer(memory, spec.dtype, count, offset).reshape(spec.shape)
        return view

    def put_properties(self, offset: int, beside: int, part: Part) -> int:
        """Write PTS and metadata of a frame into its region; the flag that says so, or 0."""
        metadata = part.metadata
        if part.pts is None and (metadata is NO_METADATA or not metadata.nbytes):
            return 0
        blocks = (metadata.icc, metadata.exif, metadata.xmp)
        _PROPERTIES.pack_into(
            self._writable, offset, part.pts is not None, part.pts or 0, *part.time_base, *map(len, blocks)
        )
        for block in blocks:
            self._writable[beside : beside + len(block)] = block
            beside += len(block)
        return PROPERTIES

    def get_properties(self, frame: Frame, offset: int, beside: int) -> None:
        """Read PTS and metadata of a frame from its region."""
        has_pts, pts, numerator, denominator, *lengths = _PROPERTIES.unpack_from(self._read_only, offset)
        frame.pts = pts if has_pts else None
        frame.time_base = (numerator, denominator)
        blocks = []
        for length in lengths:
            blocks.append(bytes(self._read_only[beside : beside + length]))
            beside += length
        frame.metadata = Metadata(*blocks)

    def frame(self, record: Record, item: Item = NO_ITEM) -> Frame:
        """The frame that an Assign lends to this group."""
        flags, nth, offset, a, b = record[1], record[4], record[5], record[6], record[7]
        spec = self.spec(record[9])
        start = offset + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)
        frame = Frame(item, nth, spec, self.view(start, spec, writable=self.group.in_place))
        if flags & PROPERTIES:
            self.get_properties(frame, offset, offset + HEADER_NBYTES + UNIT * (a + b))
        return frame


class TransformRole(Role):
    """One frame in, one frame out, in the other extent of its region."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        super().__init__(boot, loop)
        self.links: list[Link] = [
            (label, stage) for label, stage in zip(self.labels, self.stages, strict=True) if isinstance(stage, Transform)
        ]
        self.runner = Runner(self.links, self.now)

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        frame = self.frame(record)
        flags = record[1] & (SIDE_B | PROPERTIES)
        out_spec, _, last = self.runner.plan(frame.spec)
        if last < 0:
            self.runner.run(frame, None)
            flags |= PASSED
        else:
            flags ^= SIDE_B
            out = self.view(self._extent(record, flags, out_spec), out_spec, writable=True)
            self.runner.run(frame, out)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.loop.answer(DONE, flags, 0, 0, self.code(out_spec), busy_us)

    def _extent(self, record: Record, flags: int, spec: Spec) -> int:
        """Offset of the other extent; the reader asked for room enough, and that is checked here once more."""
        a, b = record[6], record[7]
        room = b if flags & SIDE_B else a
        if spec.nbytes > room * UNIT:
            raise StageError(
                self.label, ItemError(f"{spec} needs {spec.nbytes} bytes, its extent has {room * UNIT} bytes")
            )
        return record[5] + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)


class ExpandRole(TransformRole):
    """One frame in, several frames out, each in a region of its own."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        super().__init__(boot, loop)
        self.chain = chain_of(self.plan)

    def work(self, record: Record) -> None:
        frame = self.frame(record)
        made = record[10]
        parts = self.runner.expand(frame)
        asked = False
        for number in range(self.group.expands + 1):
            start = time.perf_counter_ns()
            part = next(parts, None)
            if part is None:
                break
            if number == self.group.expands:
                raise StageError(self.label, ItemError(f"made more than the {number} frames it declares"))
            if number < made:
                continue
            part.metadata = part.metadata if part.metadata.nbytes else frame.metadata
            if not asked:
                asked = True
                route = self.chain.route(part.spec, first=self.boot.group)
                nbytes = route.nbytes(part.metadata.nbytes)
                extents = (route.a, route.b, units(part.metadata.nbytes))
                self.loop.ask_memory(extents, nbytes, flags=SLOTS, slots=1)
            flags, code = _fill(self, part, self.loop.granted())
            busy_us = (time.perf_counter_ns() - start) // 1000
            self.loop.answer(EMIT, flags, number, 0, code, busy_us)
        self.loop.answer(DONE, 0, 0, 0, NO_SPEC, 0)


def _fill(role: Role, part: Part, region: tuple[int, int, int, int]) -> tuple[int, bytes]:
    """Let a part write its pixels into extent A of a region; flags and packed Spec of the frame."""
    offset, a, b, m = region
    if part.spec.nbytes > UNIT * a or part.metadata.nbytes > UNIT * m:
        raise StageError(role.label, ItemError(f"{part.spec} does not fit the region announced by the first frame"))
    part.fill(role.view(offset + HEADER_NBYTES, part.spec, writable=True))
    flags = role.put_properties(offset, offset + HEADER_NBYTES + UNIT * (a + b), part)
    return flags, role.code(part.spec)


def _enough(route: Route, m: int, lent: tuple[int, int, int, int], span: int) -> bool:
    """Whether a region that was lent unasked holds what the route needs."""
    fits = route.a <= lent[1] and route.b <= lent[2] and m <= lent[3]
    return fits and (not route.tail or region_nbytes(*lent[1:]) + route.tail <= span)


class ReadRole(Role):
    """Items in, frames out: announce, ask for memory where it was not lent yet, decode straight into the arena."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        super().__init__(boot, loop)
        self.reader: Reader = self.stages[0]  # type: ignore[assignment]
        self.chain = chain_of(self.plan)
        self.loading = Loading(self.plan, lambda spec, codec: self.chain.route(spec, codec).decode)
        self._routed: Spec | None = None
        self._route: Route

    def fixed_extents(self) -> tuple[int, int]:
        spec = self.reader.fixed_spec()
        if spec is None:
            return 0, 0
        route = self.chain.route(spec)
        return (0, 0) if route.tail else (route.a, route.b)

    def work(self, record: Record) -> None:
        job = self.loop.control.job(record[2])
        self.now(self.label)
        self.loading.nbytes_read = 0
        parts = self.reader.read(job.item, self.loading)
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
            self.loop.answer(DONE, 0, 0, 0, NO_SPEC, 0)
            return
        lent = (record[5], record[6], record[7], record[8]) if record[1] & GRANTED else None
        region, waited = self._region(part, lent, record[11] * UNIT)
        flags, code = _fill(self, part, region)
        busy_us = (time.perf_counter_ns() - start - waited) // 1000
        self.loop.answer(DONE, flags | FRAME, 0, self.loading.nbytes_read, code, busy_us)

    def _many(self, record: Record, parts: Iterator[Part]) -> None:
        """Frames of any Spec: each asks for itself."""
        lent = (record[5], record[6], record[7], record[8]) if record[1] & GRANTED else None
        for number, part in enumerate(bounded(parts, self.plan)):
            if number < record[10]:
                continue  # made before the worker that made it died
            start = time.perf_counter_ns()
            region, waited = self._region(part, lent, record[11] * UNIT)
            lent = None
            flags, code = _fill(self, part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.loop.answer(EMIT, flags, number, 0, code, busy_us)
        self.loop.answer(DONE, 0, 0, self.loading.nbytes_read, NO_SPEC, 0)

    def _region(
        self, part: Part, lent: tuple[int, int, int, int] | None, span: int
    ) -> tuple[tuple[int, int, int, int], int]:
        """A region for the part, and the nanoseconds waited for it: the one lent already where it is enough."""
        if part.spec is not self._routed:  # most folders hold few sizes, and codecs give equal Specs as one object
            self._routed, self._route = part.spec, self.chain.route(part.spec)
        route = self._route
        m = 0 if part.metadata is NO_METADATA else units(part.metadata.nbytes)
        if lent is not None and _enough(route, m, lent, span):
            return lent, 0
        asked = time.perf_counter_ns()
        self.loop.ask_memory((route.a, route.b, m), route.nbytes(part.metadata.nbytes))
        return self.loop.granted(), time.perf_counter_ns() - asked

    def _stream(self, parts: Iterator[Part]) -> None:
        """Frames of one Spec: asked for once, as many regions as can be in flight."""
        parts = bounded(parts, self.plan)
        number = -1
        while True:
            start = time.perf_counter_ns()
            part = next(parts, None)
            if part is None:
                break
            number += 1
            waited = time.perf_counter_ns()
            if not number:
                self._ask_slots(part)
            region = self.loop.granted()
            waited = time.perf_counter_ns() - waited
            flags, code = _fill(self, part, region)
            busy_us = (time.perf_counter_ns() - start - waited) // 1000
            self.loop.answer(EMIT, flags, number, 0, code, busy_us)
        self.loop.answer(DONE, 0, 0, self.loading.nbytes_read, NO_SPEC, 0)

    def _ask_slots(self, part: Part) -> None:
        route = self.chain.route(part.spec)
        nbytes = route.nbytes(part.metadata.nbytes)
        groups = self.plan.groups[1:]
        limits = [group.queue.depth + group.queue.credit * group.workers for group in groups]
        lanes = min([self.plan.groups[-1].workers, *limits])
        useful = 1 + sum(max(1, limit // lanes) for limit in limits)
        share = self.plan.memory_nbytes // lanes // nbytes
        slots = max(1, min(useful, share))
        self.loop.ask_memory((route.a, route.b, units(part.metadata.nbytes)), nbytes, flags=SLOTS, slots=slots)


class WriteRole(Role):
    """Frames in, outputs out."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        super().__init__(boot, loop)
        self.writer: Writer = self.stages[-1]  # type: ignore[assignment]
        self.output = Output(self.plan, boot.run, note=loop.control.note_temporary, claim=loop.claim)
        self.label = self.labels[-1]

    def open(self) -> None:
        super().open()
        if self.output.encoder is not None:
            self.output.encoder.open()

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        job = self.loop.control.job(record[2])
        frame = self.frame(record, job.item)
        self.now(self.label)
        self.output.begin(job.item, job.target, frame)
        nbytes = self.writer.write(frame, self.output)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.loop.answer(DONE, 0, 1, nbytes, NO_SPEC, busy_us)

    def finish(self, record: Record) -> None:
        job = self.loop.control.job(record[2])
        self.now(self.label)
        self.output.begin(job.item, job.target, None)
        self.loop.answer(DONE, 0, 0, self.writer.finish(job.item, self.output), NO_SPEC, 0)


class FusedRole(WriteRole):
    """The whole chain on private scratch; nothing of a frame lies in the arena."""

    def __init__(self, boot: Boot, loop: Link2Parent) -> None:
        super().__init__(boot, loop)
        self.reader: Reader = self.stages[0]  # type: ignore[assignment]
        self.chain = chain_of(self.plan)
        self.loading = Loading(self.plan, lambda spec, codec: self.chain.route(spec, codec).decode)
        self.label = self.labels[0]
        self.fused = Fused(self.chain.groups[0], self.now)

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        job = self.loop.control.job(record[2])
        self.now(self.label)
        self.loading.nbytes_read = 0
        frames = nbytes = 0
        dropped: StageError | None = None
        for frame in self.fused.frames(bounded(self.reader.read(job.item, self.loading), self.plan), job.item):
            if isinstance(frame, StageError):
                dropped = frame
                continue
            self.now(self.labels[-1])
            try:
                self.output.begin(job.item, job.target, frame)
                nbytes += self.writer.write(frame, self.output)
            except (Refused, Cancelled):
                raise
            except Exception as error:
                raise StageError(self.labels[-1], error) from error
            frames += 1
        if dropped is not None and not frames:
            raise dropped
        if self.plan.streams:
            self.output.begin(job.item, job.target, None)
            nbytes += self.writer.finish(job.item, self.output)
        busy_us = (time.perf_counter_ns() - start) // 1000
        read = min(self.loading.nbytes_read, 0xFFFFFFFF)
        self.loop.answer(DONE, 0, frames, nbytes, NO_SPEC, busy_us, read)


def bounded(parts: Iterator[Part], plan: Plan) -> Iterator[Part]:
    """The frames of an item, up to the limit. Raises ItemError beyond it."""
    for number, part in enumerate(parts):
        if number >= plan.limits.frames:
            raise ItemError("has too many frames", limit=f"`limits: {{frames}}` is {plan.limits.frames}")
        yield part
