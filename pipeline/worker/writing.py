"""Writer groups, and groups that hold the whole chain."""

from __future__ import annotations

import os
import time

from ..contracts.stage import Reader, Transform, Writer
from ..plan.chain import StageError, chain_of
from ..transport.records import DONE, SLOT, Record
from . import Boot
from .loading import Loading
from .output import Output
from .runner import Fused, Runner
from .work import Cancelled, Parent, Refused, Role, bounded


class WriteRole(Role):
    """Frames in, outputs out."""

    def __init__(self, boot: Boot, loop: Parent) -> None:
        super().__init__(boot, loop)
        self.writer: Writer = self.stages[-1]  # type: ignore[assignment]
        before = zip(self.labels, self.stages, strict=True)
        self.runner = Runner([(label, stage) for label, stage in before if isinstance(stage, Transform)], self.now)
        self.output = Output(
            self.plan, f"{boot.run}-{os.getpid():x}", note=loop.control.note_temporary, claim=loop.claim,
            alive=loop.alive,
        )  # fmt: skip
        self.label = self.labels[-1]

    def open(self) -> None:
        super().open()
        if self.output.encoder is not None:
            self.output.encoder.open()

    def close(self) -> None:
        super().close()
        if self.output.encoder is not None:
            self.output.encoder.close()

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        job = self.loop.control.job(record[SLOT])
        frame = self.frame(record, job.item)
        if self.runner.links:
            self.runner.run(frame, None)
        self.now(self.label)
        self.output.begin(job.item, job.target, frame)
        nbytes = self.writer.write(frame, self.output)
        busy_us = (time.perf_counter_ns() - start) // 1000
        self.loop.answer(DONE, nth=1, nbytes=nbytes, busy_us=busy_us)

    def finish(self, record: Record) -> None:
        job = self.loop.control.job(record[SLOT])
        self.now(self.label)
        self.output.begin(job.item, job.target, None)
        self.loop.answer(DONE, nbytes=self.writer.finish(job.item, self.output))


class FusedRole(WriteRole):
    """The whole chain on private scratch; nothing of a frame lies in the arena."""

    def __init__(self, boot: Boot, loop: Parent) -> None:
        super().__init__(boot, loop)
        self.reader: Reader = self.stages[0]  # type: ignore[assignment]
        self.chain = chain_of(self.plan)
        self.loading = Loading(
            self.plan, lambda spec, codec: self.chain.route(spec, codec).decode, loop.remarks.append, loop.alive
        )
        self.label = self.labels[0]
        self.fused = Fused(self.chain.groups[0], self.now, loop.remarks)

    def close(self) -> None:
        super().close()
        self.loading.close()

    def work(self, record: Record) -> None:
        start = time.perf_counter_ns()
        job = self.loop.control.job(record[SLOT])
        self.now(self.label)
        self.loading.nbytes_read = 0
        frames = nbytes = 0
        dropped: StageError | None = None
        for frame in self.fused.frames(bounded(self.reader.read(job.item, self.loading), self.plan), job.item):
            if isinstance(frame, StageError):
                dropped = frame
                continue
            self.now(self.labels[-1])
            try:
                self.output.begin(job.item, job.target, frame)
                nbytes += self.writer.write(frame, self.output)
            except (Refused, Cancelled):
                raise
            except (Exception, SystemExit) as error:
                raise StageError(self.labels[-1], error) from error
            frames += 1
            self.loop.alive()
        if dropped is not None and not frames:
            raise dropped
        if self.plan.streams:
            self.output.begin(job.item, job.target, None)
            nbytes += self.writer.finish(job.item, self.output)
        busy_us = (time.perf_counter_ns() - start) // 1000
        read = min(self.loading.nbytes_read, 0xFFFFFFFF)
        self.loop.answer(DONE, nth=frames, nbytes=nbytes, busy_us=busy_us, extra=read)
