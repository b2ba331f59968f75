"""One execution of a plan: the run, its report, and the checks before it begins."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from ..contracts.ledger import Ledger
from ..errors import EnvironmentRefusal, Exit
from ..plan.model import Plan
from ..scheduler import Entry, Outcome
from .bottleneck import verdict
from .discovery import Counter
from .fork_server import ForkServer
from .intake import Intake
from .report import Failure, GroupReport, Log, Progress, Report
from .run_loop import Loop

Watch = Callable[[Callable[[], Progress]], AbstractContextManager[object]]


SWITCH_S = 0.0002  # discovery and drawing must hand the interpreter back to the loop at once


PACKAGES = ("numpy", "pillow", "simplejpeg", "cykooz.resizer", "opencv-python", "av")


def run(
    plan: Plan, *, limit: int | None = None, watch: Watch | None = None, fork_server: ForkServer | None = None,
    log: Log | None = None,
) -> Report:  # fmt: skip
    """Carry a plan out on all its workers. Call from the main thread; no other run in this process meanwhile.

    Args:
        limit: the most items to take.
        watch: given a function that looks at the run, returns a context manager that is open while it goes.
        fork_server: one that was started early, to be ready by now; the run ends it.
        log: called for each item as it ends.

    Raises:
        EnvironmentRefusal: no memory, or the output folder cannot be written; nothing was started.
        Stall: no frame moved for too long; every worker's stack is in the message.
    """
    try:
        check_output(plan)
        return Run(plan, limit, fork_server, log=log).carry_out(watch)
    finally:
        if fork_server is not None:
            fork_server.close()


class Run:
    """One execution of a plan and what is known of it."""

    def __init__(
        self, plan: Plan, limit: int | None, fork_server: ForkServer | None = None, *, loop: type[Loop] = Loop,
        log: Log | None = None, intake: Intake | None = None,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.log = log
        self.began = time.perf_counter()
        self.report = Report(notes=list(plan.notes), destination=plan.destination or "")
        self.intake = intake or Intake(plan, limit=limit)
        self.limit = limit
        run = f"{os.getpid():x}-{time.time_ns() & 0xFFFFFF:06x}"
        self.loop = loop(
            plan, self.intake, run, on_outcome=self._on_outcome, on_done=self._on_done, fork_server=fork_server
        )
        self.counter: Counter | None = None

    def carry_out(self, watch: Watch | None) -> Report:
        """The run and its report."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        cpu = time.process_time()
        try:
            if watch is not None:  # only a display needs the total
                self.counter = Counter(self.intake.reader, self.intake.without, self.limit)
            with watch(self.snapshot) if watch else nullcontext():
                self.loop.run()
        finally:
            sys.setswitchinterval(interval)
            self.loop.close()
            if self.counter is not None:
                self.counter.stop()
            self.intake.claims.close()
        self._conclude(time.process_time() - cpu)
        return self.report

    def snapshot(self) -> Progress:
        """A look at the run; called from the drawing thread, so it only reads."""
        core = self.loop.core
        waiting = tuple(core.waiting(group) for group in core.groups)
        capacity = tuple(group.plan.queue.depth if group.number else 0 for group in core.groups)
        seconds = time.perf_counter() - self.began
        groups = tuple(self._groups(seconds))
        total = self.counter.total if self.counter else None
        ledger = core.verdicts.ledger
        frames = groups[-1].frames if groups else 0
        limit = verdict(groups, seconds, len(self.plan.usable_cores) or 1)
        state = "stopping" if core.draining else "running"
        return Progress(ledger, total, seconds, frames, groups, waiting, capacity, limit, state)

    def _on_done(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            for remark in entry.remarks:
                self.report.add_remark(remark, entry.item.source)
            if self.log is not None:
                self.log(entry.item, "done", entry.target, "", "", entry.remarks)
        if self.report.first_output_s is None:
            self.report.first_output_s = time.perf_counter() - self.began

    def _on_outcome(self, outcome: Outcome) -> None:
        report = self.report
        if self.log is not None:
            self.log(outcome.item, outcome.outcome, "", outcome.stage, outcome.reason, ())
        if outcome.outcome == "skipped":
            report.skips[outcome.reason] = report.skips.get(outcome.reason, 0) + 1
        elif outcome.outcome in ("failed", "quarantined"):
            if len(report.failures) < report.MAX_LISTED:
                failure = Failure(outcome.item.source, outcome.stage, outcome.kind, outcome.reason)
                report.failures.append(failure)
            else:
                report.failures_left_out += 1

    def _groups(self, seconds: float) -> list[GroupReport]:
        rows = []
        ready_at = self.loop.ready_at
        span = seconds if ready_at is None else time.monotonic() - ready_at
        for group, idle in zip(self.loop.core.groups, self.loop.idle, strict=True):
            busy = group.busy_us / 1e6
            starved, blocked = idle.split(group.plan.workers * span - busy)
            handles = [h for h in self.loop.handles if h.worker.group is group]
            rows.append(GroupReport(
                group.name, group.plan.workers, None if group.plan.cores is None else list(group.plan.cores),
                group.frames, sum(h.cpu_s for h in handles), busy, starved, blocked,
                max((h.rss_nbytes for h in handles), default=0), group.restarts,
            ))  # fmt: skip
        return rows

    def _conclude(self, cpu_s: float) -> None:
        report, loop, plan = self.report, self.loop, self.plan
        core = loop.core
        if loop.halt is not None or loop.signals:
            core.cancel_rest()
        report.ledger = core.verdicts.ledger
        report.seconds = time.perf_counter() - self.began
        report.groups = self._groups(report.seconds)
        report.frames = report.groups[-1].frames
        first, last = core.groups[0], core.groups[-1]
        report.bytes_in = last.nbytes_read if first is last else first.nbytes
        report.bytes_out = last.nbytes
        report.bottleneck = verdict(report.groups, report.seconds, len(plan.usable_cores) or 1)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        arena = loop.allocator.high_water
        report.peak_memory = {
            "arena_nbytes": arena, "rss_nbytes": own + sum(handle.rss_nbytes for handle in loop.handles)
        }  # fmt: skip
        hops = sum(group.frames for group in report.groups)
        per_hop = cpu_s / hops * 1e6 if hops else 0.0
        report.parent = {"cpu_s": cpu_s, "hops": hops, "cpu_us_per_hop": per_hop, "rss_nbytes": own}
        if loop.arena.kind == "memfd":
            report.notes.append("/dev/shm is too small: the arena lies in anonymous memory (memfd)")
        if loop.pool.short:
            report.notes.append(f"shared memory ran out: the arena was limited to {loop.arena.allocated >> 20} MiB")
        report.versions = versions()
        report.exit_code, report.stopped = self._exit(report.ledger)

    def _exit(self, ledger: Ledger) -> tuple[Exit, str]:
        halt, verdicts = self.loop.halt, self.loop.core.verdicts
        if halt is not None:
            return Exit(halt.exit_code), halt.reason
        if self.loop.signal_exit is not None:
            streams = self.plan.streams and self.plan.settings.fuse != "all"
            begun = "files under way were broken off" if streams else "what had begun was finished"
            return self.loop.signal_exit, f"interrupted: {begun}"
        if not ledger.balances:
            return Exit.INTERNAL, f"the ledger does not balance: {ledger}"
        if not ledger.found:
            return Exit.USAGE, "no input: nothing matched what the reader looks for"
        if verdicts.share_exceeded:
            return Exit.STOPPED, verdicts.share_text()
        return (Exit.SOME_FAILED if ledger.lost else Exit.OK), ""


def check_output(plan: Plan) -> None:
    """Make the output folder and see whether it can be written to.

    Raises:
        EnvironmentRefusal: it cannot.
    """
    if plan.destination is None:
        return
    from ..contracts.template import Template

    root = Template(plan.destination).root
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise EnvironmentRefusal(f"cannot make the output folder: {error.strerror}", where=root) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise EnvironmentRefusal("the output folder cannot be written to", where=root)


def versions() -> dict[str, str]:
    """Versions of the libraries that make or read pixels."""
    from importlib.metadata import PackageNotFoundError, version  # 20 ms that the start need not wait for

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
