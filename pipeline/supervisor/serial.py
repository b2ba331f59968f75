"""The same Plan in one process, one item after the other, without shared memory: the oracle, and `--serial` for pdb."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext

from ..contracts.contexts import Part, Skip
from ..contracts.frame import Item
from ..contracts.ledger import Ledger
from ..contracts.stage import Reader, Writer
from ..errors import DISK_FULL, Exit, ItemError, kind_of, one_line
from ..plan.chain import StageError, chain_of
from ..plan.model import Plan
from ..worker.loading import Loading
from ..worker.output import Output
from ..worker.runner import Fused
from .execution import Watch
from .intake import Found, Intake
from .report import Failure, GroupReport, Log, Progress, Report


def run(plan: Plan, *, limit: int | None = None, watch: Watch | None = None, log: Log | None = None) -> Report:
    """Carry a plan out in this process. Same outputs, byte for byte, as the workers make.

    An exception of a stage ends its item, as in a worker; under a debugger it stops where it is raised.
    """
    return SerialRun(plan, limit, log).carry_out(watch)


def _unheard(item: Item, outcome: str, target: str, stage: str, reason: str, remarks: tuple[str, ...]) -> None:
    """Nobody keeps a log."""


class SerialRun:
    """One serial execution of a plan."""

    def __init__(self, plan: Plan, limit: int | None, log: Log | None) -> None:
        self.plan = plan
        self.log: Log = log or _unheard
        self.intake = Intake(plan, limit=limit)
        self.chain = chain_of(plan)
        self.reader: Reader = plan.reader.build()
        self.writer: Writer = plan.writer.build()
        self.remarks: list[str] = []
        self.loading = Loading(plan, lambda spec, codec: self.chain.route(spec, codec).decode, self.remarks.append)
        self.item = Item(0, "")
        self.index = -1
        self.output = Output(plan, f"{os.getpid():x}-serial", note=lambda _: None, claim=self._claim)
        links = [link for group in self.chain.groups for link in group]
        self.fused = Fused(links, lambda _: None, self.remarks)
        self.stages = [self.reader, *(stage for _, stage in links), self.writer]
        self.ledger = Ledger()
        self.report = Report(ledger=self.ledger, destination=plan.destination or "", notes=list(plan.notes))
        self.frames = 0
        self.began = time.perf_counter()

    def carry_out(self, watch: Watch | None) -> Report:
        """The run and its report."""
        stages = [*self.stages, *([self.output.encoder] if self.output.encoder else [])]
        for stage in stages:
            stage.open()
        code: Exit | None = None
        try:
            with watch(self.snapshot) if watch else nullcontext():
                for found in self.intake.entries():
                    code = self._one(found)
                    if code is not None:
                        break
        except KeyboardInterrupt:
            code, self.report.stopped = Exit.INTERRUPTED, "interrupted"
            self.ledger.cancelled += self.ledger.found - self.ledger.finished
        finally:
            for stage in stages:
                stage.close()
            self.loading.close()
            self.intake.claims.close()
        self._conclude(code)
        return self.report

    def snapshot(self) -> Progress:
        """A look at the run; called from the drawing thread."""
        seconds = time.perf_counter() - self.began
        row = GroupReport("serial", 1, None, self.frames, busy_s=seconds)
        return Progress(self.ledger, None, seconds, self.frames, (row,), (0,), (0,), "one process (--serial)")

    def _one(self, found: Found) -> Exit | None:
        self.ledger.found += 1
        self.item = found.item
        label = self.plan.reader.label
        try:
            if found.refused:
                self._fail(found.item, "", "collision", found.refused)
            elif found.skipped:
                raise Skip(found.skipped)
            else:
                self.remarks.clear()
                self._process(found)
                self.ledger.done += 1
                for remark in dict.fromkeys(self.remarks):
                    self.report.add_remark(remark, found.item.source)
                self.log(found.item, "done", self.output.target, "", "", tuple(dict.fromkeys(self.remarks)))
                if self.report.first_output_s is None:
                    self.report.first_output_s = time.perf_counter() - self.began
        except StageError as error:
            return self._settle(found.item, error.label, error.cause)
        except (Exception, SystemExit) as error:
            return self._settle(found.item, label, error)
        return self._budget()

    def _process(self, found: Found) -> None:
        plan = self.plan
        frames = 0
        dropped: StageError | None = None
        for frame in self.fused.frames(self._bounded(found.item), found.item):
            if isinstance(frame, StageError):
                dropped = frame
                continue
            try:
                self.index = frame.index
                self.output.begin(found.item, found.target, frame)
                self.report.bytes_out += self.writer.write(frame, self.output)
            except (Exception, SystemExit) as error:
                raise StageError(plan.writer.label, error) from error
            frames += 1
            self.frames += 1
        if dropped is not None and not frames:
            raise dropped
        if plan.streams:
            self.output.begin(found.item, found.target, None)
            self.report.bytes_out += self.writer.finish(found.item, self.output)

    def _bounded(self, item: Item):  # type: ignore[no-untyped-def]
        limit = self.plan.settings.limits.frames
        self.loading.nbytes_read = 0
        part: Part
        for number, part in enumerate(self.reader.read(item, self.loading)):
            if number >= limit:
                raise ItemError("has too many frames", limit=f"`limits: {{frames}}` is {limit}")
            yield part
        self.report.bytes_in += self.loading.nbytes_read

    def _claim(self, target: str) -> None:
        refused = self.intake.claim(target, self.item, self.index)
        if refused:
            raise ItemError(refused)

    def _settle(self, item: Item, label: str, cause: BaseException) -> Exit | None:
        if isinstance(cause, Skip):
            self.ledger.skipped += 1
            text = str(cause)
            self.log(item, "skipped", "", label, text, ())
            self.report.skips[text] = self.report.skips.get(text, 0) + 1
            return None
        self._fail(item, label, kind_of(cause), one_line(cause))
        if isinstance(cause, OSError) and cause.errno in DISK_FULL and label == self.plan.writer.label:
            self.report.stopped = f"the output cannot be written: {one_line(cause)}; free space and run again"
            return Exit.ENVIRONMENT
        return self._budget()

    def _fail(self, item: Item, label: str, kind: str, reason: str) -> None:
        self.ledger.failed += 1
        self.log(item, "failed", "", label, reason, ())
        self.report.failures.append(Failure(item.source, label, kind, reason))

    def _budget(self) -> Exit | None:
        policy, lost = self.plan.settings.on_error, self.ledger.lost
        most = policy.max_failures.count
        if lost and (policy.policy == "stop" or (most is not None and lost > most)):
            self.report.stopped = "stopped: more items failed than `on_error` allows"
            return Exit.STOPPED
        return None

    def _conclude(self, code: Exit | None) -> None:
        report, ledger, share = self.report, self.ledger, self.plan.settings.on_error.max_failures.share
        report.seconds = time.perf_counter() - self.began
        report.frames = self.frames
        report.groups = [GroupReport("serial", 1, None, self.frames, time.process_time(), report.seconds)]
        report.bottleneck = "one process (--serial)"
        if code is None and not ledger.found:
            code, report.stopped = Exit.USAGE, "no input: nothing matched what the reader looks for"
        if code is None and share is not None and ledger.lost > share * ledger.finished:
            code, report.stopped = Exit.STOPPED, f"{ledger.lost} of {ledger.finished} items failed"
        if code is None:
            code = Exit.SOME_FAILED if ledger.lost else Exit.OK
        report.exit_code = code
