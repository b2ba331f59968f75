"""The chain of transforms bound to a Spec: what each group hands on, how small a decoder may decode, how to run it.

Used by workers, by the serial run and by `plan`; works on stage objects and knows no process and no arena.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contracts.codec import Codec
from ..contracts.spec import Size, Spec
from ..contracts.stage import Transform
from ..transport.records import region_nbytes, units
from .model import Plan

FAN_OUT_SLOTS = 4  # parts of one frame that may be in flight at once
Link = tuple[str, Transform]


class StageError(Exception):
    """A stage raised: which one, and what. Internal to the worker and the serial run."""

    def __init__(self, label: str, cause: BaseException) -> None:
        super().__init__(label, cause)
        self.label = label
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to frames of one Spec.

    Attributes:
        decode: what the reader decodes to; smaller than the file where the decoder can shrink.
        hops: Spec that leaves each group but the last, the reader's group first.
        steps: label and Spec after each transform.
        a, b: extents in units of 64 bytes: the largest of the even and of the odd hops that write.
        slots, part: how many parts that an expanding group makes of a frame have room behind its own extents, and the
            route of one; 0 and None where no group expands.
    """

    decode: Spec
    hops: tuple[Spec, ...]
    steps: tuple[tuple[str, Spec], ...]
    a: int
    b: int
    slots: int = 0
    part: Route | None = None

    def nbytes(self, metadata_nbytes: int = 0) -> int:
        """Bytes of the arena that one frame takes; its parts carry its metadata too."""
        own = region_nbytes(self.a, self.b, units(metadata_nbytes))
        return own + (self.slots * self.part.nbytes(metadata_nbytes) if self.part is not None else 0)


class Chain:
    """All transforms of a plan, by group; the first and last group may have none.

    Args:
        groups: transforms of each group from the reader's to the writer's, with labels.
    """

    def __init__(self, groups: Sequence[Sequence[Link]]) -> None:
        self.groups = groups
        self._routes: dict[tuple[int, Spec, str], Route] = {}

    def route(self, full: Spec, codec: Codec | None = None, *, first: int = 0) -> Route:
        """Walk the chain for frames that enter behind the reader (or that leave group `first`) with this Spec.

        Args:
            full: the Spec at full size.
            codec: asked how small it can decode; None decodes at full size.
            first: group that hands the frame on; the chain from the next group is walked (its own for 0).

        Raises:
            StageError: a stage refuses the Spec it would get.
        """
        key = (first, full, type(codec).__name__)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._walk(full, codec, first)
        return route

    def _walk(self, full: Spec, codec: Codec | None, first: int) -> Route:
        groups = [*self.groups[first:]] if not first else [(), *self.groups[first + 1 :]]
        decode = full if codec is None or first else codec.shrunk(full, self._required(full))
        spec, steps = decode, []
        hops: list[Spec] = []
        writes: list[bool] = []
        for place, group in enumerate(groups):
            wrote = place == 0
            for label, stage in group:
                spec, before = output_of(label, stage, spec), spec
                steps.append((label, spec))
                wrote = wrote or not leaves_pixels(stage, before, spec)
                if stage.expanding:
                    most = expansion_of(label, stage, before)
                    return self._expanding(decode, hops, steps, writes, (spec, first + place, most))
            if place < len(groups) - 1:
                hops.append(spec)
                writes.append(wrote)
        a, b = _extents(hops, writes)
        return Route(decode, tuple(hops), tuple(steps), a, b)

    def _expanding(
        self,
        decode: Spec,
        hops: list[Spec],
        steps: list[tuple[str, Spec]],
        writes: list[bool],
        part: tuple[Spec, int, int],
    ) -> Route:
        """A frame ends at an expanding group; room for its parts is reserved behind it."""
        spec, group, most = part
        a, b = _extents(hops, writes)
        rest = self.route(spec, first=group)
        slots = min(FAN_OUT_SLOTS, most)
        hops_on = (*hops, *rest.hops)
        return Route(decode, hops_on, (*steps, *rest.steps), a, b, slots, rest)

    def _required(self, full: Spec) -> Size:
        """The smallest size the chain takes as well as `full`: each transform asked, from the last to the first."""
        specs = [full]
        links = [link for group in self.groups for link in group]
        for label, stage in links:
            specs.append(output_of(label, stage, specs[-1]))
        need = specs[-1].size
        for (label, stage), spec in zip(reversed(links), reversed(specs[:-1]), strict=True):
            try:
                need = need if stage.inspect else stage.required_input(spec, need)
            except Exception as error:
                raise StageError(label, error) from error
        return need


def output_of(label: str, stage: Transform, spec: Spec) -> Spec:
    try:
        if not stage.planes:
            spec.require_pixels()
        out = spec if stage.inspect else stage.output_spec(spec)
    except Exception as error:
        raise StageError(label, error) from error
    return out


def expansion_of(label: str, stage: Transform, spec: Spec) -> int:
    """How many frames a stage makes at most of one of this Spec. Raises StageError."""
    try:
        return stage.expands(spec)
    except Exception as error:
        raise StageError(label, error) from error


def leaves_pixels(stage: Transform, before: Spec, after: Spec) -> bool:
    return stage.inspect or (stage.identity_when_equal and before == after)


def _extents(hops: Sequence[Spec], writes: Sequence[bool]) -> tuple[int, int]:
    sides, side = [0, 0], 1
    for spec, wrote in zip(hops, writes, strict=True):
        side ^= wrote
        sides[side] = max(sides[side], units(spec.nbytes))
    return sides[0], sides[1]


def chain_of(plan: Plan) -> Chain:
    """The transforms of all groups of a plan; a reader's worker walks them to know what a frame needs on its way."""
    groups = []
    for group in plan.groups:
        stages = group.stages[int(group.reads) : len(group.stages) - int(group.writes)]
        groups.append([(stage.label, stage.build()) for stage in stages])
    return Chain(groups)
