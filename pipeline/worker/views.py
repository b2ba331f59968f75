"""Frames as views of the arena: what a worker reads from regions and writes into them. No pixel is copied here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..contracts.contexts import Part
from ..contracts.frame import NO_METADATA, Frame, Item, Metadata
from ..contracts.spec import Pixels, Spec
from ..errors import ItemError
from ..transport.property_code import are_usual, pack_properties, unpack_properties
from ..transport.records import (
    FLAGS,
    HEADER_NBYTES,
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
)  # fmt: skip

NO_ITEM = Item(0, "")
KEPT = 512  # views; regions come back, so most are asked for again


class Known(NamedTuple):
    """A Spec with what the hot path would ask it again for every frame."""

    spec: Spec
    code: bytes
    nbytes: int


class Views:
    """The arena as one worker sees it.

    Args:
        memory: the mapping of the arena, writable.
        remarks: the list that frames add their remarks to.
    """

    def __init__(self, memory: Any, remarks: list[str]) -> None:
        self._writable = memoryview(memory)
        self._read_only = self._writable.toreadonly()
        self._remarks = remarks
        self._by_code: dict[bytes, Known] = {}
        self._last: Known | None = None
        self._kept: dict[tuple[int, bytes, bool], Pixels] = {}

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
        """The array at this offset of the arena, of the Spec's shape and dtype; no copy."""
        key = (offset, known.code, writable)
        view = self._kept.get(key)
        if view is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            memory, spec = self._writable if writable else self._read_only, known.spec
            view = self._kept[key] = np.frombuffer(memory, spec.dtype, spec.samples, offset).reshape(spec.shape)
        return view

    def frame(self, record: Record, item: Item = NO_ITEM) -> Frame:
        """The frame that an ASSIGN lends to this worker; its pixels are read-only."""
        flags, offset, a = record[FLAGS], record[OFFSET], record[A]
        known = self.by_code(record[SPEC])
        start = offset + HEADER_NBYTES + (UNIT * a if flags & SIDE_B else 0)
        frame = Frame(item, record[NTH], known.spec, self.view(start, known), NO_METADATA, self._remarks)
        if flags & PROPERTIES:
            self._read_properties(frame, offset, offset + HEADER_NBYTES + UNIT * (a + record[B]))
        return frame

    def fill(self, part: Part, region: Region) -> tuple[int, bytes]:
        """Let a part write its pixels into extent A of a region; flags and packed Spec of the frame.

        Raises ItemError where it is larger than what was announced for it.
        """
        offset, a, b, m = region
        known, metadata = self.by_spec(part.spec), part.metadata
        if known.nbytes > UNIT * a or (metadata is not NO_METADATA and metadata.nbytes > UNIT * m):
            raise ItemError(f"{part.spec} does not fit the region announced by the first frame")
        part.fill(self.view(offset + HEADER_NBYTES, known, writable=True))
        if metadata is NO_METADATA and are_usual(part):
            return 0, known.code
        return self._write_properties(part, offset, offset + HEADER_NBYTES + UNIT * (a + b)), known.code

    def _write_properties(self, part: Part, offset: int, beside: int) -> int:
        """Properties and metadata into the region; the flag that says that they are there, or 0."""
        blocks = part.metadata.blocks
        if not any(blocks) and are_usual(part):
            return 0
        pack_properties(self._writable, offset, part, tuple(map(len, blocks)))
        for block in blocks:
            self._writable[beside : beside + len(block)] = block
            beside += len(block)
        return PROPERTIES

    def _read_properties(self, frame: Frame, offset: int, beside: int) -> None:
        blocks = []
        for length in unpack_properties(self._read_only, offset, frame):
            blocks.append(bytes(self._read_only[beside : beside + length]))
            beside += length
        frame.metadata = Metadata.of_blocks(blocks)
