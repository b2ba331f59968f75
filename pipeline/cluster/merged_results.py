"""What archives and reducers make of all shards together, once all of them are through."""

from __future__ import annotations

from ..errors import Exit
from ..journal import Options, Told
from ..plan.model import Plan
from ..supervisor.keeping import add_results, close_journal, kept
from ..supervisor.report import Report


def make_results(plan: Plan, told: Told, report: Report) -> None:
    """Pack archives, have reducers make their files; the report says which, or why there are none.

    What the shards wrote down is taken into the journal of the output; they need not be kept after that.

    Args:
        plan: of the job, without a shard. report: of all shards.

    Raises:
        EnvironmentRefusal: another run is at work there, or the journal cannot be used.
    """
    if not plan.gives or report.exit_code not in (Exit.OK, Exit.SOME_FAILED):
        return
    with kept(plan, Options(), told) as journal:
        if journal is None:
            return
        journal.flush()
        journal.stands_for(report.shard["of"])
        add_results(plan, journal, report, limited=False, incomplete=False)
        close_journal(journal, report)
