"""The same Plan in one process, one item after the other, without shared memory: the oracle, and `--serial` for pdb.

Budget, recorder and the way of an item through the stages are those of the run with workers.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from ..contracts.cause import Cause
from ..contracts.contexts import Skip
from ..contracts.frame import Item
from ..errors import DISK_FULL, Exit, UsageError
from ..journal import Journal
from ..journal.run_options import NOTHING, Options, Told
from ..journal.versions import versions
from ..plan.chain import StageError
from ..plan.model import Plan
from ..scheduler import Budget, Halt
from ..worker.causes import Refused, cause_of
from ..worker.output import Output
from ..worker.printing import Lines, Spool, spooled, text_stream
from ..worker.whole import Whole
from .execution import Watch
from .intake import Found, Intake
from .keeping import add_results, close_journal, kept, nothing_found
from .recorder import Log, Recorder, Show
from .report import GroupReport, Progress, Report
from .sharding import shard_facts

OnBug = Callable[[BaseException], None]
HERE = "one process (--serial)"
UNCONFINED = "none: --serial runs everything in this process"


def run(
    plan: Plan, *, limit: int | None = None, watch: Watch | None = None, log: Log | None = None,
    show: Show | None = None, on_bug: OnBug | None = None, keep: Options | None = None, told: Told = NOTHING,
    only: str = "",
) -> Report:  # fmt: skip
    """Carry a plan out in this process. Same outputs, byte for byte, as the workers make.

    Args:
        limit, watch, log, show, keep, told, only: as for the run with workers.
        on_bug: called with what a stage raised, where that has a traceback to look at; nothing is redirected then.

    Raises:
        EnvironmentRefusal, UsageError: as the run with workers; or a sandbox is required.
    """
    if plan.settings.sandbox == "require":
        raise UsageError(
            "--serial runs everything in this process, which cannot be confined", limit="`sandbox: require`",
            remedy="leave --serial out, or add --set sandbox=auto",
        )  # fmt: skip
    with kept(plan, keep, told) as journal:
        run = SerialRun(plan, limit, log=log, show=show, on_bug=on_bug, journal=journal, only=only, told=told)
        return run.carry_out(watch)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: it ends a serial run as Ctrl-C does, with its report."""


@contextmanager
def terminable() -> Iterator[None]:
    """While the block lasts SIGTERM raises Terminated; nothing changes outside of the main thread."""

    def end(_: int, __: object) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class SerialRun:
    """One serial execution of a plan."""

    def __init__(
        self, plan: Plan, limit: int | None = None, *, log: Log | None = None, show: Show | None = None,
        on_bug: OnBug | None = None, journal: Journal | None = None, only: str = "",
        told: Told = NOTHING,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.told = told
        self.on_bug = on_bug
        self.journal = journal
        self.intake = Intake(plan, limit=limit, journal=journal, only=only)
        self.budget = Budget(plan.settings.on_error, of_shard=plan.shard is not None)
        self.report = Report(ledger=self.budget.ledger, destination=plan.outputs or "", notes=list(plan.notes))
        self.recorder = Recorder(self.report, log=log, show=show, journal=journal)
        self.remarks: list[str] = []
        self.running = self.frames = 0
        self.spool = Spool(None, Lines(lambda _: None))
        self.item = Item(0, "")
        self.since = self.recorder.began
        run = journal.token if journal is not None else f"{os.getpid():x}"
        output = Output(plan, f"{run}-serial", note=lambda _: None, claim=self._claim)
        self.whole = Whole(plan, output, now=self._now, remarks=self.remarks)

    def carry_out(self, watch: Watch | None) -> Report:
        """The run and its report."""
        halt: Halt | None = None
        all_found = False
        with terminable(), nullcontext() if self.on_bug else self._heard():
            try:
                self.whole.open()
                with watch(self.snapshot) if watch else nullcontext():
                    entries = self.intake.entries()
                    for found in entries:
                        halt = self._one(found)
                        if halt is not None:
                            all_found = next(entries, None) is None
                            break
            except KeyboardInterrupt as signalled:
                halt = Halt(Exit.TERMINATED if isinstance(signalled, Terminated) else Exit.INTERRUPTED, self._left())
            finally:
                self.whole.close()
                self.intake.claims.close()
        return self._conclude(self.budget.ending(halt, all_found=all_found))

    def snapshot(self) -> Progress:
        """A look at the run; called from the drawing thread."""
        seconds = time.perf_counter() - self.recorder.began
        row = GroupReport("serial", 1, None, self.frames, busy_s=seconds)
        return Progress(self.budget.ledger, None, seconds, self.frames, (row,), (0,), (0,), HERE)

    def _left(self) -> str:
        finished = self.budget.ledger.finished
        return "interrupted" + (
            f"; {finished:,} items were finished; run again to go on from there" if self.journal else ""
        )

    def _one(self, found: Found) -> Halt | None:
        """One item from the intake to its end; a Halt where the run must stop."""
        self.budget.ledger.found += 1
        self.item = found.item
        if found.outcome == "up_to_date":
            self.budget.ledger.up_to_date += 1
            self.recorder.untouched([found.item])
            return None
        if found.outcome:
            return self._ended(found.item, found.outcome, found.cause)
        if found.reason:
            self.recorder.redone(found.reason)
        if self.journal is not None:
            self.journal.wait_until_claimed(found.ticket)
            if self.journal.error is not None:
                return Halt(self.journal.error.exit_code, str(self.journal.error))
        self.remarks.clear()
        self.since = time.perf_counter()
        try:
            done = self.whole.carry_out(found.item, found.target)
        except StageError as error:
            return self._raised(found.item, error.label, error.cause)
        if self.journal is not None:
            self.journal.given(found.item, 0, self.whole.given())
        self.budget.count(found.item, "done", None, done.frames)
        self.frames += done.frames
        self.report.bytes_in += done.nbytes_read
        self.report.bytes_out += done.nbytes
        remarks = tuple(dict.fromkeys(self.remarks))
        self.recorder.one_done(found.item, self.whole.output.target, remarks, self._busy_us())
        return None

    def _raised(self, item: Item, label: str, error: BaseException) -> Halt | None:
        cause = cause_of(label, error, self.plan)
        if cause.traceback and self.on_bug is not None:
            self.on_bug(error)
        halt = self._ended(item, "skipped" if cause.kind == "skip" else "failed", cause)
        if isinstance(error, OSError) and error.errno in DISK_FULL and label == self.plan.writer.label:
            what = f"the output cannot be written: {cause.reason}; free space and run again"
            return Halt(Exit.ENVIRONMENT, what)
        return halt

    def _busy_us(self) -> int:
        return int((time.perf_counter() - self.since) * 1e6)

    def _ended(self, item: Item, outcome: str, cause: Cause | None) -> Halt | None:
        counted, halt = self.budget.count(item, outcome, cause, busy_us=self._busy_us())
        self.recorder.ended(counted)
        return halt

    def _claim(self, target: str, index: int) -> None:
        taken = self.intake.claim(target, self.item, index)
        refused = Cause("", "collision", taken) if taken else None
        if refused is None and self.journal is not None:
            refused = self.journal.claim_part_now(target, self.item)
        if refused is not None:
            raise Skip(refused.reason) if refused.kind == "skip" else Refused(refused.reason, refused.kind)

    def _now(self, number: int) -> None:
        if number != self.running:
            self.spool.drain()  # while it is still known which stage wrote it
        self.running = number

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """What stages print goes the way it goes in workers, and never into a pipe that was closed."""

        def say(line: bytes) -> None:
            label = self.plan.stage_at(self.running).label
            self.recorder.printed("serial", label, line.decode("utf-8", "backslashreplace").rstrip())

        streams, lines = (sys.stdout, sys.stderr), Lines(say)
        sys.stdout = sys.stderr = text_stream(lines)
        try:
            with spooled(lines) as self.spool:
                yield
        finally:
            lines.end()
            sys.stdout, sys.stderr = streams

    def _conclude(self, halt: Halt | None) -> Report:
        report, ledger = self.report, self.budget.ledger
        if halt is not None:
            ledger.cancelled += ledger.found - ledger.finished
        report.seconds = time.perf_counter() - self.recorder.began
        report.frames = self.frames
        report.groups = [GroupReport("serial", 1, None, self.frames, time.process_time(), report.seconds)]
        report.bottleneck = HERE
        report.sandbox = {"serial": UNCONFINED}
        if halt is None and not ledger.found:
            halt = nothing_found(self.journal, self.intake)
        if self.journal is not None:
            self.journal.flush()
            report.versions = versions()
            error = self.journal.error
            halt = Halt(error.exit_code, str(error)) if error is not None else halt
        report.shard = shard_facts(self.plan, self.intake, self.told)
        report.exit_code = Exit(halt.exit_code) if halt else Exit.SOME_FAILED if ledger.lost else Exit.OK
        report.stopped = halt.reason if halt else ""
        if self.journal is not None and self.journal.error is None:
            limited, incomplete = self.intake.limited, self.intake.incomplete
            add_results(self.plan, self.journal, report, limited=limited, incomplete=incomplete, serial=True)
            report.seconds = time.perf_counter() - self.recorder.began
        if self.journal is not None:
            close_journal(self.journal, report)
        return report
