"""Which role a group plays."""

from __future__ import annotations

from . import Boot
from .reading import ReadRole
from .transforming import ExpandRole, TransformRole
from .work import Parent, Role
from .writing import FusedRole, WriteRole


def make_role(boot: Boot, loop: Parent) -> Role:
    """The role of the worker's group."""
    group = boot.plan.groups[boot.group]
    if group.reads and group.writes:
        return FusedRole(boot, loop)
    if group.reads:
        return ReadRole(boot, loop)
    if group.writes:
        return WriteRole(boot, loop)
    return ExpandRole(boot, loop) if group.expands else TransformRole(boot, loop)
