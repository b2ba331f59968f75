"""One execution of a plan: the checks before it begins, the run, and its report, which it gives whatever ends it."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from ..errors import EnvironmentRefusal, Exit, PipelineError, one_line
from ..journal import Journal
from ..journal.run_options import NOTHING, Options, Told
from ..journal.versions import versions
from ..plan.machine import peak_nbytes
from ..plan.model import Plan
from ..scheduler import Halt
from .bottleneck import verdict
from .confining import check_sandbox, sandboxed
from .discovery import Counter
from .fork_server import ForkServer
from .intake import Intake
from .keeping import add_results, close_journal, kept, nothing_found, unkept
from .recorder import Log, Recorder, Show
from .report import GroupReport, Progress, Report
from .run_loop import RunLoop
from .sharding import shard_facts

Watch = Callable[[Callable[[], Progress]], AbstractContextManager[object]]
SWITCH_S = 0.0002  # discovery and drawing must hand the interpreter back to the loop at once
DEFECT = "this is a defect of pipeline; please report it with the traceback"


def run(
    plan: Plan, *, limit: int | None = None, watch: Watch | None = None, fork_server: ForkServer | None = None,
    log: Log | None = None, show: Show | None = None, keep: Options | None = None, told: Told = NOTHING,
    only: str = "",
) -> Report:  # fmt: skip
    """Carry a plan out on all its workers. Call from the main thread; no other run in this process meanwhile.

    A run that began gives its report whatever ends it: `exit_code`, `stopped` and `traceback` say what that was.

    Args:
        limit: the most items to take.
        watch: given a function that looks at the run, returns a context manager that is open while it goes.
        fork_server: one that was started early, to be ready by now; the run ends it.
        log: told of each item as it ends, and of each line that a stage prints.
        show: shows the first lines that each stage prints: group, stage, line.
        keep: what is asked of the journal; None keeps none.
        told: what the journal writes down of the run.
        only: the one input to take, by its path or by its name in a journal; "" takes all.

    Raises:
        EnvironmentRefusal: no memory, another run at work, or the output folder cannot be written; nothing was started.
        UsageError: the input cannot be listed, or outputs stand there that no journal knows; nothing was started.
    """
    try:
        check_sandbox(plan)
        check_output(plan)
        with kept(plan, keep, told) as journal:
            intake = Intake(plan, limit=limit, journal=journal, only=only)
            run = Run(plan, limit, fork_server, log=log, show=show, intake=intake, journal=journal, told=told)
            return run.carry_out(watch)
    finally:
        if fork_server is not None:
            fork_server.close()


class Run:
    """One execution of a plan and what is known of it."""

    def __init__(
        self, plan: Plan, limit: int | None = None, fork_server: ForkServer | None = None, *,
        log: Log | None = None, show: Show | None = None, intake: Intake | None = None, own_group: int | None = None,
        journal: Journal | None = None, told: Told = NOTHING,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.told = told
        self.own_group = own_group
        self.report = Report(notes=list(plan.notes), destination=plan.outputs or "")
        self.journal = journal
        self.recorder = Recorder(self.report, log=log, show=show, journal=journal)
        self.began = self.recorder.began
        self.intake = intake or Intake(plan, limit=limit, journal=journal)
        self.limit = limit
        name = journal.token if journal is not None else f"{os.getpid():x}-{time.time_ns() & 0xFFFFFF:06x}"
        self.loop = RunLoop(plan, self.intake, name, self.recorder, fork_server=fork_server, own_group=own_group)
        if journal is not None:
            self.loop.look = partial(unkept, journal)
        self.counter: Counter | None = None

    def carry_out(self, watch: Watch | None) -> Report:
        """The run and its report."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        cpu = time.process_time()
        try:
            if watch is not None and self._counts:  # only a display needs the total
                counts = [most for most in (self.limit, self.plan.sample.count) if isinstance(most, int)]
                of = self.plan.shard.of if self.plan.shard is not None else 1
                most = min(counts, default=None)
                self.counter = Counter(self.intake.reader, self.intake.without, most, self._beside, of)
            with watch(self.snapshot) if watch else nullcontext():
                try:
                    self.loop.run()
                except BaseException as error:
                    self.stopped_by(error)
        finally:
            sys.setswitchinterval(interval)
            self.close()
        return self.conclude(time.process_time() - cpu)

    @property
    def _counts(self) -> bool:
        """Whether the number of inputs says how much there is to do."""
        retry = self.journal is not None and self.journal.options.retry
        return self.intake.watched is None and not retry and not self.intake.only

    def _beside(self) -> int:
        """Items that do not count for a limit."""
        return self.loop.core.ledger.up_to_date

    def stopped_by(self, error: BaseException) -> None:
        """Something ended the run from within: the report says what. Raises it where nothing had begun."""
        if not self.loop.began:
            raise error
        if isinstance(error, PipelineError):
            halt = Halt(error.exit_code, str(error))
        elif isinstance(error, KeyboardInterrupt):  # in a thread that cannot handle signals
            halt = Halt(Exit.INTERRUPTED, "interrupted")
        elif isinstance(error, Exception):
            self.report.traceback = "".join(traceback.format_exception(error)).rstrip()
            halt = Halt(Exit.INTERNAL, f"{one_line(error)}; {DEFECT}")
        else:
            raise error
        self.loop.hearing.broken(halt)

    def close(self) -> None:
        """End what is left of it; what cannot be ended is noted. Safe to call twice."""
        try:
            self.loop.close()
        except PipelineError as error:
            self.loop.hearing.broken(Halt(error.exit_code, str(error)))
        if self.counter is not None:
            self.counter.stop()
        self.intake.claims.close()

    def snapshot(self) -> Progress:
        """A look at the run; called from the drawing thread, so it only reads."""
        core = self.loop.core
        waiting = tuple(core.waiting(group) for group in core.groups)
        capacity = tuple(group.plan.queue.depth if group.number else 0 for group in core.groups)
        seconds = time.perf_counter() - self.began
        groups = tuple(self._groups(seconds))
        total = self.counter.total if self.counter else None
        frames = groups[-1].frames if groups else 0
        limit = verdict(groups, seconds, len(self.plan.usable_cores) or 1)
        state = "stopping" if core.draining else "running"
        return Progress(core.ledger, total, seconds, frames, groups, waiting, capacity, limit, state)

    def _groups(self, seconds: float) -> list[GroupReport]:
        rows = []
        ready_at = self.loop.hearing.ready_at
        span = seconds if ready_at is None else time.monotonic() - ready_at
        for group, idle in zip(self.loop.core.groups, self.loop.deadlines.idle, strict=True):
            busy = group.busy_us / 1e6
            starved, blocked = idle.split(group.plan.workers * span - busy)
            handles = [handle for handle in self.loop.handles if handle.worker.group is group]
            rows.append(GroupReport(
                group.name, group.plan.workers, None if group.plan.cores is None else list(group.plan.cores),
                group.frames, sum(handle.cpu_s for handle in handles), busy, starved, blocked,
                max((handle.rss_nbytes for handle in handles), default=0), group.restarts,
            ))  # fmt: skip
        return rows

    def conclude(self, cpu_s: float) -> Report:
        """The report of a run that is over; `cpu_s` is what it took of this process."""
        report, loop, plan = self.report, self.loop, self.plan
        core, pool = loop.core, loop.memory.pool
        if loop.halt is not None or loop.signals.count:
            core.cancel_rest()
        report.ledger = core.ledger
        report.seconds = time.perf_counter() - self.began
        report.groups = self._groups(report.seconds)
        report.frames = report.groups[-1].frames
        first, last = core.groups[0], core.groups[-1]
        report.bytes_in = last.nbytes_read if first is last else first.nbytes
        report.bytes_out = last.nbytes
        report.bottleneck = verdict(report.groups, report.seconds, len(plan.usable_cores) or 1)
        own = peak_nbytes()
        report.peak_memory = {
            "arena_nbytes": pool.allocator.high_water,
            "rss_nbytes": own + sum(handle.rss_nbytes for handle in loop.handles),
        }
        hops = sum(group.frames for group in report.groups)
        per_hop = cpu_s / hops * 1e6 if hops else 0.0
        report.parent = {"cpu_s": cpu_s, "hops": hops, "cpu_us_per_hop": per_hop, "rss_nbytes": own}
        if pool.arena.kind == "memfd":
            report.notes.append("/dev/shm is too small: the arena lies in anonymous memory (memfd)")
        if pool.short:
            report.notes.append(f"shared memory ran out: the arena was limited to {pool.arena.allocated >> 20} MiB")
        report.versions = versions()
        report.sandbox = sandboxed(plan, loop.hearing.held)
        if self.own_group is not None:
            report.sandbox[plan.groups[self.own_group].name] = "none: it is the loop of the caller"
        if self.journal is not None:
            self.journal.flush()
            if (halt := unkept(self.journal)) is not None:
                loop.hearing.broken(halt)
        report.shard = shard_facts(plan, self.intake, self.told)
        report.exit_code, report.stopped = self._exit()
        if self.journal is not None and self.journal.error is None:
            add_results(plan, self.journal, report, limited=self.intake.limited, incomplete=self.intake.incomplete)
            report.seconds = time.perf_counter() - self.began
        if self.journal is not None:
            close_journal(self.journal, report)
        return report

    def _exit(self) -> tuple[Exit, str]:
        """What the run ends with, and why where it ended early."""
        loop = self.loop
        ledger, halt = loop.core.ledger, loop.core.budget.ending(loop.halt, all_found=loop.core.exhausted)
        if loop.halt is None and loop.signals.exit_code is not None:
            streams = self.plan.streams and self.plan.settings.fuse != "all"
            begun = "files under way were broken off" if streams else "what had begun was finished"
            return loop.signals.exit_code, f"interrupted: {begun}{self._left()}"
        if loop.halt is None and not ledger.balances:
            return Exit.INTERNAL, f"the ledger does not balance: {ledger}"
        if loop.halt is None and not ledger.found:
            halt = nothing_found(self.journal, self.intake)
        if halt is not None:
            return Exit(halt.exit_code), halt.reason
        return (Exit.SOME_FAILED if ledger.lost else Exit.OK), ""

    def _left(self) -> str:
        """What is left of an interrupted run, and how it goes on."""
        if self.journal is None:
            return ""
        total, ledger = self.counter.total if self.counter else None, self.loop.core.ledger
        kept = ledger.finished - ledger.cancelled
        left = f"{total - kept:,} of {total:,} items are left" if total is not None else f"{kept:,} items were finished"
        return f"; {left}; run again to go on from there"


def check_output(plan: Plan) -> None:
    """Make the output folder and see whether it can be written to.

    Raises:
        EnvironmentRefusal: it cannot.
    """
    if plan.destination is None:
        return
    root = plan.output_root or "."
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise EnvironmentRefusal(f"cannot make the output folder: {error.strerror}", where=root) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise EnvironmentRefusal("the output folder cannot be written to", where=root)
