"""Which work a group does."""

from __future__ import annotations

from . import Boot
from .reading import Reading
from .transforming import Expanding, Transforming
from .work import Parent, Work
from .writing import WholeChain, Writing


def work_of(boot: Boot, parent: Parent) -> Work:
    """What the workers of this group do with a lease."""
    group = boot.plan.groups[boot.group]
    if group.reads and group.writes:
        return WholeChain(boot, parent)
    if group.reads:
        return Reading(boot, parent)
    if group.writes:
        return Writing(boot, parent)
    return Expanding(boot, parent) if group.expands else Transforming(boot, parent)
