"""What archives and reducers make of all shards together, once all of them are through."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Exit
from ..journal import Options, Told
from ..plan.model import Plan
from ..supervisor.keeping import add_results, close_journal, kept
from ..supervisor.report import Report

OTHERS = (
    "no results: the journal of the output does not tell of just these runs; something else was run since, or"
    " the shards kept their journals elsewhere; run without --shard: what is done is not done again"
)


def make_results(plan: Plan, told: Told, report: Report, tokens: Sequence[str], chain: str) -> None:
    """Pack archives, have reducers make their files; the report says which, or why there are none.

    What the shards wrote down is taken into the journal of the output; they need not be kept after that.

    Args:
        plan: of the job, without a shard. report: of all shards. tokens: of their runs, which had this chain.

    Raises:
        EnvironmentRefusal: another run is at work there, or the journal cannot be used.
    """
    if not plan.gives or report.exit_code not in (Exit.OK, Exit.SOME_FAILED):
        return
    with kept(plan, Options(), told) as journal:
        if journal is None:
            return
        journal.flush()
        if journal.stands_for(tokens, chain):
            add_results(plan, journal, report, limited=False, incomplete=False)
        else:
            report.exit_code, report.stopped = Exit.STOPPED, OTHERS
        close_journal(journal, report)
