"""What the worker of every group has: its stages, opened once, and what it may ask of the parent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from ..contracts.contexts import Part
from ..contracts.stage import Stage
from ..errors import ItemError
from ..plan.model import Plan
from ..transport.control_block import Control
from ..transport.records import NO_SPEC, Record, Region
from . import Boot
from .ahead import Ahead
from .loading import Loading
from .views import Views


class Parent(Protocol):
    """What a worker's stages need of the parent: memory, names, and an ear for the answers."""

    map: Any
    control: Control
    lease: int
    remarks: list[str]
    partials: bytes

    def answer(
        self, kind: int, flags: int = 0, *, nth: int = 0, nbytes: int = 0, spec: bytes = NO_SPEC, busy_us: int = 0,
        extra: int = 0,
    ) -> None: ...  # fmt: skip
    def ask_memory(self, extents: tuple[int, int, int], span: int, *, flags: int = 0, slots: int = 0) -> None: ...
    def granted(self) -> Region: ...
    def claim(self, target: str) -> None: ...
    def alive(self) -> None: ...


class Work:
    """The stages of one group, opened once; each kind of group carries its leases out in its own way.

    Attributes:
        label: of the stage that is to blame where none other is known.
        writes: whether the group writes outputs.
        ahead: fetches items that were assigned and are not in work; None where they are read in their turn.
    """

    def __init__(self, boot: Boot, parent: Parent) -> None:
        self.boot = boot
        self.plan: Plan = boot.plan
        self.parent = parent
        self.group = boot.plan.groups[boot.group]
        self.writes = self.group.writes
        self.label = self.group.stages[0].label
        self.first = boot.plan.number_of(boot.group, 0)
        self.stages: list[Stage] = [stage.build() for stage in self.group.stages]
        self.views = Views(parent.map, parent.remarks)
        self.ahead: Ahead | None = None

    @property
    def last(self) -> int:
        """Number of the group's last stage."""
        return self.first + len(self.stages) - 1

    def open(self) -> None:
        """Open every stage; import what they need."""
        for number, stage in enumerate(self.stages, self.first):
            self.now(number)
            stage.open()

    def close(self) -> None:
        """Close every stage."""
        for number, stage in enumerate(self.stages, self.first):
            self.now(number)
            stage.close()

    def fixed_extents(self) -> tuple[int, int]:
        """Extents that every frame of this reader needs, where they are known beforehand."""
        return 0, 0

    def carry_out(self, record: Record) -> None:
        """Work on what one ASSIGN lends, and answer it."""
        raise NotImplementedError

    def load_with(self, loading: Loading, lease: int) -> None:
        """What is loaded for this lease comes from the threads, where there are some."""
        if self.ahead is not None:
            loading.fetched = partial(self.ahead.wait, lease)

    def finish(self, record: Record) -> None:
        """The last frame of a stream was written; only writers are asked."""
        raise NotImplementedError

    def now(self, number: int) -> None:
        """The stage of this number runs now; readable for the parent if we die."""
        self.parent.control.run(self.parent.lease, number)


def bounded(parts: Iterator[Part], plan: Plan) -> Iterator[Part]:
    """The frames of an item, up to the limit. Raises ItemError beyond it."""
    for number, part in enumerate(parts):
        if number >= plan.settings.limits.frames:
            raise ItemError("has too many frames", limit=f"`limits: {{frames}}` is {plan.settings.limits.frames}")
        yield part
