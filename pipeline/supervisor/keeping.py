"""The journal of a run, with workers or serial: opened, looked after, closed with the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Exit, PipelineError, one_line
from ..journal import Journal
from ..journal.run_options import Options, Told
from ..plan.model import Plan
from ..scheduler import Halt
from .intake import Intake
from .report import Report

AFTER_SHARDS = "archives and the files of reducers are made of all shards together, by `pipeline merge-reports`"
NO_INPUT = "no input: nothing matched what the reader looks for"
PROMISES = {
    "none": "what is told as done outlives a kill, and not a power cut",
    "batch": "what is told as done outlives a kill, and a power cut but for the last second",
    "each": "what is told as done outlives a kill and a power cut",
}


@contextmanager
def kept(plan: Plan, keep: Options | None, told: Told) -> Iterator[Journal | None]:
    """The journal of a run that keeps one, open while the block lasts."""
    if keep is None or plan.state_dir is None:
        yield None
        return
    journal = Journal(plan, keep, told)
    try:
        yield journal
    finally:
        journal.abandon()


def nothing_found(journal: Journal | None, intake: Intake) -> Halt | None:
    """What a run ends with that found nothing; None where others have found something."""
    only = intake.only
    if intake.passed:
        return Halt(Exit.USAGE, f"{only!r} is an input of another shard") if only else None
    if journal is not None and journal.options.retry:
        return Halt(Exit.OK, f"nothing failed, was quarantined or refused in run {journal.options.retry}")
    if only:
        return Halt(Exit.USAGE, f"{only!r} is no input of the job; `--dry-run` lists the inputs")
    knows = journal.knows if journal is not None else 0
    mounted = f"; the journal knows {knows:,} items of it: is the folder of the inputs mounted?" if knows else ""
    return Halt(Exit.USAGE, NO_INPUT + mounted)


def unkept(journal: Journal) -> Halt | None:
    """A run whose journal cannot be written stops: what it did would be done again."""
    return None if journal.error is None else Halt(Exit.ENVIRONMENT, str(journal.error))


def add_results(
    plan: Plan, journal: Journal, report: Report, *, limited: bool, incomplete: bool, serial: bool = False
) -> None:
    """Have archives packed and reducers make their files of all that is done, where the run came to its end.

    The report says which files those are. Those of a shard are made when all shards are merged.

    Args:
        limited: whether only a part of the input was asked for. incomplete: whether not all of it could be looked at.
        serial: whether to merge in this process.
    """
    if not plan.gives or report.exit_code not in (Exit.OK, Exit.SOME_FAILED):
        return
    if plan.shard is not None:
        report.notes.append(AFTER_SHARDS)
        return
    whole = not (limited or incomplete)
    try:
        if plan.archives is not None:
            from .packing import pack  # few runs have archives, or reducers

            paths, note = pack(plan, journal, whole=whole, limited=limited)
            report.results += paths
            report.notes += [note] if note else []
        if plan.reducing:
            from .reducing import results_of

            report.results += results_of(plan, journal, whole=whole, serial=serial)
    except PipelineError as error:
        report.exit_code, report.stopped = error.exit_code, f"no results: {error}"
    except KeyboardInterrupt:
        report.exit_code, report.stopped = (
            Exit.INTERRUPTED,
            "interrupted: no results; run again, nothing is mapped twice",
        )
    except Exception as error:
        report.exit_code, report.stopped = Exit.STOPPED, f"no results: {one_line(error)}"


def close_journal(journal: Journal, report: Report) -> None:
    """Write the end of a run; the report says what could not be written, and where all of it is."""
    report.journal = {
        "path": journal.path, "run": journal.run, "durability": journal.durability,
        "promises": PROMISES[journal.durability], "cpu_s": journal.cpu_s,
    }  # fmt: skip
    if journal.swept:
        many = f"{len(journal.swept)} temporary files" if len(journal.swept) > 1 else "a temporary file"
        report.notes.append(f"{many} of a run that was killed went: {journal.swept[0]!r}")
    try:
        if journal.options.prune and report.exit_code in (Exit.OK, Exit.SOME_FAILED):
            report.pruned += journal.prune()
        elif journal.options.prune:
            report.pruned.append("nothing was pruned: the run stopped early")
        journal.close(int(report.exit_code), report.as_json())
    except PipelineError as error:
        report.exit_code, report.stopped = Exit.ENVIRONMENT, str(error)
    except OSError as error:
        report.exit_code, report.stopped = Exit.ENVIRONMENT, f"an output cannot be removed: {error}"
