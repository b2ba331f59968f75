"""The same job for ever: the run with workers over a folder that is watched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..config.key_types import MaxFailures
from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..errors import UsageError
from ..journal.run_options import Options, Told
from ..plan.model import Plan
from .confining import check_sandbox
from .execution import Run, Watch, check_output
from .fork_server import ForkServer
from .intake import Intake
from .keeping import kept
from .notifying import Notifier
from .recorder import Log, Show
from .report import Report
from .watching import Watched


def watch(
    plan: Plan, *, keep: Options, told: Told, look: Watch | None = None, log: Log | None = None,
    show: Show | None = None, fork_server: ForkServer | None = None, polling: bool | None = None,
) -> Report:  # fmt: skip
    """Do what is there, then what appears, until a signal ends it; what has begun is finished then.

    Failures end nothing, whatever `on_error` says: an item that failed is tried again after a pause that doubles.
    Arguments as for `execution.run`; `polling` says not to rely on events of the file system.

    Raises:
        UsageError: the reader has no folder, or the writer leaves nothing.
        EnvironmentRefusal: as `execution.run`.
    """
    if plan.state_dir is None:
        raise UsageError("watch needs a writer that leaves outputs", remedy="without them no journal is kept")
    if plan.archives is not None:
        what = f"{plan.writer.label} packs archives when all inputs are done, and watch has no end"
        raise UsageError(what, remedy="write files, or run the config again when there is something new")
    if plan.reducing:
        what = f"the reducer {plan.reducers[0].label} makes its files when all inputs are done, and watch has no end"
        raise UsageError(what, remedy="leave `reducers` to a config for `pipeline run`")
    on_error = replace(plan.settings.on_error, max_failures=MaxFailures(), policy="continue")
    plan = replace(plan, settings=replace(plan.settings, on_error=on_error))

    def say_of(what: str) -> Callable[[str], None]:
        return (lambda line: show("watch", what, line)) if show is not None else (lambda _: None)

    settle_s = plan.settings.settle_s
    watched = Watched(plan.reader.build(), plan.output_root, settle_s, polling=polling, say=say_of("folder"))
    wanted = plan.settings.notify.command or plan.settings.notify.url
    notifier = Notifier(plan.settings.notify, say_of("notify")) if wanted else None
    try:
        check_sandbox(plan)
        check_output(plan)
        with kept(plan, keep, told) as journal:
            assert journal is not None
            watched.journal = journal
            journal.lookup.expect_repeats()
            intake = Intake(plan, journal=journal, watched=watched)
            teller = Teller(watched, notifier, log)
            run = Run(plan, None, fork_server, log=teller, show=show, intake=intake, journal=journal)
            report = run.carry_out(look)
            if notifier is not None:
                notifier.close()
                report.notes += notifier.notes()
            return report
    finally:
        watched.stop()
        if notifier is not None:
            notifier.close()
        if fork_server is not None:
            fork_server.close()


class Teller:
    """A log that also tells the watched folder, and whom the config names."""

    def __init__(self, watched: Watched, notifier: Notifier | None, log: Log | None) -> None:
        self._watched = watched
        self._notifier = notifier
        self._log = log

    def item(self, item: Item, outcome: str, target: str, cause: Cause | None, remarks: tuple[str, ...]) -> None:
        """An item has ended."""
        self._watched.ended(item, outcome)
        if outcome == "up_to_date":
            return
        if self._log is not None:
            self._log.item(item, outcome, target, cause, remarks)
        if self._notifier is not None:
            reason = cause.reason if cause is not None else ""
            self._notifier.ended({"item": item.source, "outcome": outcome, "output": target, "reason": reason})

    def printed(self, group: str, stage: str, line: str) -> None:
        """A stage printed a line."""
        if self._log is not None:
            self._log.printed(group, stage, line)
