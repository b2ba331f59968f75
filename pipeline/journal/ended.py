"""How an item ended, on its way from the run to the journal."""

from __future__ import annotations

from typing import Any, NamedTuple

from .tables import DONE

Cells = tuple[Any, ...]
Several = tuple[tuple[str, bytes], ...] | None


class Ended(NamedTuple):
    """An item that ended, as its row will say it.

    Attributes:
        head: job, item, root, size, mtime_ns, digest, chain.
        target, output: of an item that has one output; "" and None for another.
        parts: targets and outputs of an item whose frames decide their names; None for another.
        failed: its row of `failures`, without the run; None for an item that did not fail.
        beside: staging files that hold members of it.
        row: whether `items` gets a row: not for one that was never let in.
    """

    head: Cells
    outcome: int
    target: str
    output: bytes | None
    parts: Several
    busy_us: int = 0
    cause: str | None = None
    failed: Cells | None = None
    row: bool = True
    beside: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Where its outputs lie."""
        if self.outcome != DONE:
            return ()
        own = tuple(target for target, _ in self.parts) if self.parts is not None else (self.target,)
        return own + self.beside if self.beside else own
