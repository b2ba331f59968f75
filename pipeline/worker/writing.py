"""Writer groups, and groups that hold the whole chain."""

from __future__ import annotations

import os
import time
from typing import cast

from ..contracts.stage import Writer
from ..plan.chain import transforms_of
from ..transport.records import DONE, LEASE, MOST_NBYTES, SLOT, Record
from . import Boot
from .ahead import Ahead
from .mapping import Mapping, given, within_room
from .output import Output
from .runner import Runner
from .transforming import opened_here
from .whole import Whole
from .work import Parent, Work


def _output(boot: Boot, parent: Parent) -> Output:
    run, control = f"{boot.run}-{os.getpid():x}", parent.control
    claim = lambda target, _: parent.claim(target)  # noqa: E731 - the parent knows the frame by its lease
    return Output(boot.plan, run, note=control.note_temporary, claim=claim, alive=parent.alive)


class Writing(Work):
    """Frames in, outputs out."""

    def __init__(self, boot: Boot, parent: Parent) -> None:
        super().__init__(boot, parent)
        self.writer = cast("Writer", self.stages[-1])
        self.runner = Runner(opened_here(transforms_of(self.plan, boot.group), self.stages), self.now)
        self.output = _output(boot, parent)
        self.mapping = Mapping(self.plan, self.stages, self.now, self.first)
        self.label = self.group.stages[-1].label

    def open(self) -> None:
        """Open the stages and the encoder."""
        super().open()
        if self.output.encoder is not None:
            self.output.encoder.open()

    def close(self) -> None:
        """Close the stages, the encoder and the folders."""
        super().close()
        self.output.close()
        if self.output.encoder is not None:
            self.output.encoder.close()

    def carry_out(self, record: Record) -> None:
        """Write one frame."""
        start = time.perf_counter_ns()
        item, target = self.parent.control.job(record[SLOT])
        frame = self.views.frame(record, item)
        if self.runner.links:
            self.runner.run(frame, None)
        if self.plan.gives:
            given(self.mapping, self.output)  # of a frame that failed halfway
            self.mapping.map(frame)
        self.now(self.last)
        self.output.begin(item, target, frame)
        nbytes = self.writer.write(frame, self.output)
        if self.plan.gives:
            data = given(self.mapping, self.output)
            self.parent.partials = within_room(self.plan, self.output.run, data, self.parent.control)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.parent.answer(DONE, nth=1, nbytes=nbytes, busy_us=busy_us)

    def finish(self, record: Record) -> None:
        """Close the output of a stream."""
        item, target = self.parent.control.job(record[SLOT])
        self.now(self.last)
        self.output.begin(item, target, None)
        self.parent.answer(DONE, nbytes=self.writer.finish(item, self.output))


class WholeChain(Work):
    """The whole chain on private scratch; nothing of a frame lies in the arena."""

    def __init__(self, boot: Boot, parent: Parent) -> None:
        super().__init__(boot, parent)
        self.whole = Whole(
            self.plan, _output(boot, parent), now=self.now, remarks=parent.remarks, alive=parent.alive
        )  # fmt: skip
        if self.group.threads:
            self.ahead = Ahead(self.whole.reader, self.plan.settings.limits, self.group.threads)

    def open(self) -> None:
        """Open every stage and the encoder."""
        self.whole.open()

    def close(self) -> None:
        """Close every stage, the encoder and the codecs that were used."""
        self.whole.close()

    def carry_out(self, record: Record) -> None:
        """Everything with one item."""
        start = time.perf_counter_ns()
        item, target = self.parent.control.job(record[SLOT])
        self.load_with(self.whole.loading, record[LEASE])
        done = self.whole.carry_out(item, target)
        if self.plan.gives:
            run, control = self.whole.output.run, self.parent.control
            self.parent.partials = within_room(self.plan, run, self.whole.given(), control)
        busy_us = (time.perf_counter_ns() - start) // 1000
        read = min(done.nbytes_read, MOST_NBYTES)
        self.parent.answer(DONE, nth=done.frames, nbytes=done.nbytes, busy_us=busy_us, extra=read)
