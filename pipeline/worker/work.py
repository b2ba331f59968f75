"""What every role has: the stages of its group, opened once, and views of the arena."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..contracts.contexts import Part
from ..contracts.frame import NO_METADATA, Frame, Item, Metadata
from ..contracts.spec import Pixels, Spec
from ..contracts.stage import Stage
from ..errors import ItemError
from ..plan.chain import StageError
from ..plan.model import Plan
from ..transport.control_block import Control
from ..transport.properties import are_usual, pack_properties, unpack_properties
from ..transport.records import (
    FLAGS,
    HEADER_NBYTES,
    NO_SPEC,
    NTH,
    OFFSET,
    PROPERTIES,
    SIDE_B,
    SPEC,
    UNIT,
    A,
    B,
    Record,
    Region,
)
from . import Boot

NO_ITEM = Item(0, "")
VIEWS = 512


class Cancelled(Exception):
    """The item was given up while this worker was at it."""


class Refused(Exception):
    """The parent will not lend this memory, or not give this name."""


class Parent(Protocol):
    """What a role needs of the loop."""

    map: Any
    control: Control
    slot: int
    lease: int
    remarks: list[str]

    def answer(
        self,
        kind: int,
        flags: int = 0,
        *,
        nth: int = 0,
        nbytes: int = 0,
        spec: bytes = NO_SPEC,
        busy_us: int = 0,
        extra: int = 0,
    ) -> None: ...
    def ask_memory(self, extents: tuple[int, int, int], span: int, *, flags: int = 0, slots: int = 0) -> None: ...
    def granted(self) -> Region: ...
    def claim(self, target: str) -> None: ...
    def alive(self) -> None: ...


class Known(NamedTuple):
    """A Spec with what the hot path would ask it again for every frame."""

    spec: Spec
    code: bytes
    nbytes: int


class Role:
    """Stages of one group, opened once, and views of the arena."""

    def __init__(self, boot: Boot, loop: Parent) -> None:
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
        self._by_code: dict[bytes, Known] = {}
        self._last: Known | None = None
        self._views: dict[tuple[int, bytes, bool], Pixels] = {}

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

    def by_code(self, code: bytes) -> Known:
        """The Spec of these bytes of a record."""
        known = self._by_code.get(code)
        if known is None:
            spec = Spec.unpack(code)
            known = self._by_code[code] = Known(spec, code, spec.nbytes)
        return known

    def by_spec(self, spec: Spec) -> Known:
        """The Spec with its bytes in a record; most often it is the very one of the frame before."""
        known = self._last
        if known is None or known.spec is not spec:
            code = spec.pack()
            known = self._last = self._by_code[code] = Known(spec, code, spec.nbytes)
        return known

    def view(self, offset: int, known: Known, *, writable: bool = False) -> Pixels:
        """The array at this offset of the arena; no copy. Regions come back, so their views are kept."""
        key = (offset, known.code, writable)
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= VIEWS:
                self._views.clear()
            memory, spec = self._writable if writable else self._read_only, known.spec
            view = self._views[key] = np.frombuffer(memory, spec.dtype, spec.samples, offset).reshape(spec.shape)
        return view

    def put_properties(self, offset: int, beside: int, part: Part) -> int:
        """Write properties and metadata of a frame into its region; the flag that says so, or 0."""
        metadata = part.metadata
        if not metadata.nbytes and are_usual(part):
            return 0
        blocks = (metadata.icc, metadata.exif, metadata.xmp)
        pack_properties(self._writable, offset, part, (len(metadata.icc), len(metadata.exif), len(metadata.xmp)))
        for block in blocks:
            self._writable[beside : beside + len(block)] = block
            beside += len(block)
        return PROPERTIES

    def get_properties(self, frame: Frame, offset: int, beside: int) -> None:
        """Read properties and metadata of a frame from its region."""
        blocks = []
        for length in unpack_properties(self._read_only, offset, frame):
            blocks.append(bytes(self._read_only[beside : beside + length]))
            beside += length
        frame.metadata = Metadata(*blocks)

    def frame(self, record: Record, item: Item = NO_ITEM) -> Frame:
        """The frame that an Assign lends to this group."""
        flags, nth, offset, a, b = record[FLAGS], record[NTH], record[OFFSET], record[A], record[B]
        known = self.by_code(record[SPEC])
        start = offset + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)
        frame = Frame(item, nth, known.spec, self.view(start, known))
        frame.remarks = self.loop.remarks
        if flags & PROPERTIES:
            self.get_properties(frame, offset, offset + HEADER_NBYTES + UNIT * (a + b))
        return frame


def fill(role: Role, part: Part, region: Region) -> tuple[int, bytes]:
    """Let a part write its pixels into extent A of a region; flags and packed Spec of the frame."""
    offset, a, b, m = region
    known, metadata = role.by_spec(part.spec), part.metadata
    if known.nbytes > UNIT * a or (metadata is not NO_METADATA and metadata.nbytes > UNIT * m):
        raise StageError(role.label, ItemError(f"{part.spec} does not fit the region announced by the first frame"))
    part.fill(role.view(offset + HEADER_NBYTES, known, writable=True))
    if metadata is NO_METADATA and are_usual(part):
        return 0, known.code
    return role.put_properties(offset, offset + HEADER_NBYTES + UNIT * (a + b), part), known.code


def bounded(parts: Iterator[Part], plan: Plan) -> Iterator[Part]:
    """The frames of an item, up to the limit. Raises ItemError beyond it."""
    for number, part in enumerate(parts):
        if number >= plan.limits.frames:
            raise ItemError("has too many frames", limit=f"`limits: {{frames}}` is {plan.limits.frames}")
        yield part
