"""Running the transforms of a group on frames, on private scratch memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..contracts.contexts import Part, Skip
from ..contracts.frame import Frame, Item
from ..contracts.spec import Pixels, Spec
from ..plan.chain import Link, Now, StageError, expansion_of, leaves_pixels, naming, output_of


class Scratch:
    """Private memory of one worker, reused from frame to frame so that its pages stay warm."""

    def __init__(self) -> None:
        self._flat: dict[tuple[int, str], Pixels] = {}

    def take(self, place: int, spec: Spec) -> Pixels:
        """An array of this Spec; whatever the same place held before is written over."""
        flat = self._flat.get((place, spec.dtype))
        count = spec.samples
        if flat is None or flat.size < count:
            flat = self._flat[place, spec.dtype] = np.empty(count, dtype=spec.dtype)
        return flat[:count].reshape(spec.shape)


class Steps(NamedTuple):
    """The transforms of one group for one Spec.

    Attributes:
        out: what leaves.
        steps: link, its Spec out, and whether it leaves the pixels where they lie.
        last: place of the last step that writes, -1 where none does.
    """

    out: Spec
    steps: tuple[tuple[Link, Spec, bool], ...]
    last: int


class Runner:
    """Runs the transforms of one group back to back on private scratch; the last one writes where it is told.

    Lives in one worker (or in the serial run) and is not shared. `now` is called with the number of the stage
    that is about to run, so that a crash can be named.
    """

    def __init__(self, links: Sequence[Link], now: Now) -> None:
        self.links = links
        self.now = now
        self._plans: dict[Spec, Steps] = {}
        self._scratch = Scratch()
        self._head: Runner | None = None

    def plan(self, spec: Spec) -> Steps:
        """For frames of this Spec: what leaves, the steps, and which of them writes last.

        Raises:
            StageError: a stage refuses its Spec.
        """
        known = self._plans.get(spec)
        if known is None:
            steps, out = [], spec
            for link in self.links:
                out, before = output_of(link, out, self.now), out
                leaves = leaves_pixels(link.stage, before, out)
                if not (leaves and link.stage.identity_when_equal):
                    steps.append((link, out, leaves))
            last = max((n for n, (_, _, leaves) in enumerate(steps) if not leaves), default=-1)
            known = self._plans[spec] = Steps(out, tuple(steps), last)
        return known

    def most(self, spec: Spec) -> int:
        """How many parts the last stage, an expanding one, makes at most of a frame that enters with this Spec."""
        for before in self.links[:-1]:
            spec = output_of(before, spec, self.now)
        return expansion_of(self.links[-1], spec, self.now)

    def run(self, frame: Frame, out: Pixels | None, known: Steps | None = None) -> None:
        """Run all stages; afterwards `frame` is the result, in `out` unless nothing wrote.

        Args:
            frame: input; its pixels are not written to.
            out: array of the Spec that `plan` gave; None for private scratch (fused groups).
            known: what `plan` gave for this Spec, where the caller keeps it.
        """
        _, steps, last = known or self.plan(frame.spec)
        side = 0
        for n, ((label, stage, number), spec, leaves) in enumerate(steps):
            self.now(number)
            try:
                if leaves:
                    stage.process(frame, frame.pixels)
                    continue
                if n == last and out is not None:
                    target = out
                else:
                    target, side = self._scratch.take(side, spec), side ^ 1
                stage.process(frame, target)
            except (Exception, SystemExit) as error:
                raise StageError(label, error) from error
            frame.pixels, frame.spec = target, spec

    def expand(self, frame: Frame) -> Iterator[Part]:
        """The parts that the last stage, an expanding one, makes of the frame; the stages before it run at once."""
        label, stage, number = self.links[-1]
        if self._head is None:
            self._head = Runner(self.links[:-1], self.now)
        self._head.run(frame, None)
        self.now(number)
        with naming(label):
            yield from stage.expand(frame)


class Fused:
    """All transforms of a plan on private scratch, frame by frame: a fused group, or the serial run.

    Args:
        links: the transforms.
        now: told the number of the stage that is about to run.
        remarks: what they remark of a frame is added to it.
        reader: label of the reader, which makes the pixels of the first frames.
    """

    def __init__(self, links: Sequence[Link], now: Now, remarks: list[str], reader: str = "reader") -> None:
        self.runners: list[Runner] = []
        self._remarks = remarks
        start = 0
        for place, link in enumerate(links):
            if link.stage.expanding:
                self.runners.append(Runner(links[start : place + 1], now))
                start = place + 1
        self.runners.append(Runner(links[start:], now))
        self._scratch = Scratch()
        self._now = now
        makers = [runner.links[-1] for runner in self.runners[:-1]]
        self._makers = [(reader, 0), *((link.label, link.number) for link in makers)]  # of frames at each depth

    def frames(self, parts: Iterator[Part], item: Item) -> Iterator[Frame | StageError]:
        """The finished frames of an item in order; a frame that a stage skips comes as that StageError."""
        index = 0
        for part in parts:
            yield from self._run(0, part, item, index)
            index += self._parts(0, part.spec)

    def _parts(self, depth: int, spec: Spec) -> int:
        """How many frames one of this Spec becomes at most; the next one has an index greater by this."""
        if depth == len(self.runners) - 1:
            return 1
        runner = self.runners[depth]
        return runner.most(spec) * self._parts(depth + 1, runner.plan(spec).out)

    def _run(self, depth: int, part: Part, item: Item, index: int) -> Iterator[Frame | StageError]:
        pixels = self._scratch.take(depth, part.spec)
        label, number = self._makers[depth]
        self._now(number)
        with naming(label):
            part.fill(pixels)
        pixels.flags.writeable = False
        frame = Frame(item, index, part.spec, pixels, part.metadata, self._remarks)
        frame.take(part)
        try:
            if depth == len(self.runners) - 1:
                self.runners[depth].run(frame, None)
                yield frame
                return
            parts = self._parts(depth + 1, self.runners[depth].plan(frame.spec).out)
            for number, child in enumerate(self.runners[depth].expand(frame)):
                child.inherit(frame)
                yield from self._run(depth + 1, child, item, index + number * parts)
        except StageError as error:
            if not isinstance(error.cause, Skip):
                raise
            yield error
