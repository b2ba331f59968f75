"""The whole chain on one item, in one process: what the worker of a fused group and the serial run do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..contracts.contexts import Part, Skip
from ..contracts.frame import Item
from ..contracts.stage import Reader, Stage, Writer
from ..plan.chain import Chain, Link, Now, StageError, chain_of, naming
from ..plan.model import Plan
from .loading import Loading
from .mapping import Mapping, given
from .output import Output
from .runner import Fused
from .work import bounded


class Written(NamedTuple):
    """What came of one item."""

    frames: int
    nbytes: int
    nbytes_read: int


class Whole:
    """Reader, transforms and writer of a plan; nothing of a frame lies in the arena.

    Args:
        plan: its groups may be many: here they are run as one.
        output: what is lent to the writer.
        now: told the number of the stage that runs.
        remarks: what stages remark of the item is added to it.
        alive: told that a long item makes progress.
    """

    def __init__(
        self, plan: Plan, output: Output, *, now: Now, remarks: list[str], alive: Callable[[], None] = lambda: None
    ) -> None:
        self.plan = plan
        self.output = output
        self.now = now
        self.alive = alive
        self.chain: Chain = chain_of(plan, now)
        self.reader: Reader = plan.reader.build()
        self.reducers: list[Stage] = [stage.build() for stage in plan.reducers]
        self.writer: Writer = plan.writer.build()
        self.links: list[Link] = [link for group in self.chain.groups for link in group]
        self.loading = Loading(plan, self.chain.smallest, remarks.append, alive)
        self.fused = Fused(self.links, now, remarks, plan.reader.label)
        self._last = plan.number_of(len(plan.groups) - 1, len(plan.groups[-1].stages) - 1)
        self.mapping = Mapping(plan, [*self.reducers, self.writer], now, self._last - plan.reducing)

    @property
    def stages(self) -> list[Stage]:
        """All of them, in the order of the plan; the one that made this opens and closes them."""
        return [self.reader, *(link.stage for link in self.links), *self.reducers, self.writer]

    def open(self) -> None:
        """Open every stage and the encoder; import what they need."""
        for number, stage in enumerate(self.stages):
            self.now(number)
            stage.open()
        if self.output.encoder is not None:
            self.output.encoder.open()

    def close(self) -> None:
        """Close every stage, the encoder, and the codecs that were used."""
        for number, stage in enumerate(self.stages):
            self.now(number)
            stage.close()
        if self.output.encoder is not None:
            self.output.encoder.close()
        self.output.close()
        self.loading.close()

    def carry_out(self, item: Item, target: str) -> Written:
        """Read the item, run the stages on its frames, write them.

        Raises:
            StageError: a stage raised, an output name is taken, or all frames that there were are skipped.
        """
        frames = nbytes = 0
        dropped: StageError | None = None
        self.loading.nbytes_read = 0
        self.given()  # of an item that failed halfway
        for frame in self.fused.frames(self._parts(item), item):
            if isinstance(frame, StageError):
                dropped = frame
                continue
            try:
                self.mapping.map(frame)
                self.now(self._last)
                with naming(self.plan.writer.label):
                    self.output.begin(item, target, frame)
                    nbytes += self.writer.write(frame, self.output)
            except StageError as error:
                if not isinstance(error.cause, Skip):
                    raise
                dropped = error
                continue
            frames += 1
            self.alive()
        if dropped is not None and not frames:
            raise dropped
        if self.plan.streams:
            self.now(self._last)
            with naming(self.plan.writer.label):
                self.output.begin(item, target, None)
                nbytes += self.writer.finish(item, self.output)
        return Written(frames, nbytes, self.loading.nbytes_read)

    def given(self) -> bytes:
        """What reducers gave and which members were saved since the last time."""
        return given(self.mapping, self.output)

    def _parts(self, item: Item) -> Iterator[Part]:
        """What the reader announces; while it reads, it is the stage that runs."""
        with naming(self.plan.reader.label):
            self.now(0)
            for part in bounded(self.reader.read(item, self.loading), self.plan):
                yield part
                self.now(0)
