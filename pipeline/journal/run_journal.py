"""The journal of one run: opened before it begins, asked at the intake, told what ends, closed with the run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.stamp import Stamp
from ..errors import Exit, PipelineError
from ..plan.model import Plan
from .ended import Cells, Ended, Several
from .given import GivenRows, superseded
from .lookup import Looked, recorded
from .opening import OpenJournal
from .packed import Packs
from .partials import Partials
from .registering import end_run, never_began, seen
from .row_writer import RowWriter
from .run_options import NOTHING, USUAL, Options, Told
from .store import refusals
from .tables import DONE, OUTCOMES
from .versions import versions
from .write_thread import WriteThread


class _Open(NamedTuple):
    """An item that was let in and has not ended."""

    head: Cells
    target: str
    output: bytes | None
    source: str


class Journal:
    """The journal while a run goes. Items may be looked up and claimed by the discovery thread, ended by the loop.

    Attributes:
        run: number of this run.
        token: what tells the temporary files of this run from those of all others.
        swept: temporary files of dead runs that were removed.
        error: why nothing can be written any more; None while all is well.
    """

    def __init__(self, plan: Plan, options: Options = USUAL, told: Told = NOTHING) -> None:
        """Lock the output, open the database, sweep what dead runs left.

        Raises:
            EnvironmentRefusal: another run is at work there, or the journal cannot be used.
            UsageError: outputs stand there that no journal knows.
        """
        self.plan = plan
        self.options = options
        self.token = f"{os.getpid():x}-{time.time_ns() & 0xFFFFFF:06x}"
        self._closed = False
        self._open: dict[int, _Open] = {}
        self._under_way: set[bytes] = set()
        self._parts: dict[int, dict[str, bytes]] = {}
        self._opened = opened = OpenJournal(plan, options, told, self.token)
        self.path, self.durability, self.swept = opened.path, opened.durability, opened.swept
        self._db, self._reading, self._reader = opened.db, opened.reading, opened.reader
        self._job, self._chain, self._root, self.run = opened.numbers
        self._looked = [self.run]
        try:
            self.lookup = opened.lookup()
        except BaseException:
            never_began(self._db, self.run)
            opened.close()
            raise
        rows = RowWriter(self._db, self.run, superseded(plan), opened.segment)
        self._thread = WriteThread(self._db, self.path, self.durability, rows)
        self._thread.told = self._under_way.discard
        self._rows = GivenRows(self._thread.keep, plan, self._job, self.run) if plan.gives else None

    # ---- the intake, in the discovery thread -------------------------------------------------------------------

    def look(self, found: Sequence[tuple[Item, str]]) -> list[Looked]:
        """What follows for items with their output names. Raises EnvironmentRefusal: it cannot be read."""
        with refusals(self.path):
            looked = self.lookup.look(found)
        for one in looked:
            if one.learned:
                self._thread.learn((one.learned, self._job, one.key))
        return looked

    def let_in(self, looked: Looked) -> int:
        """Claim the name of an item that is to be done; a ticket for `is_claimed`."""
        self._make_room()
        item, target, key, output, stamp = looked[:5]
        self.met(looked)
        head = (self._job, key, self._root, *recorded(stamp), self._chain)
        if self.lookup.repeats:
            self._under_way.add(key)
            self._thread.forget((self._job, key, self.run))
        self._open[item.number] = _Open(head, target, output, item.source)
        if output is None:
            return 0
        return self._thread.claim((output, self._job, key, self.run, *(looked.foreign or (None, None))))

    def met(self, looked: Looked) -> None:
        """An item is in the input, at this place."""
        if self._rows is not None:
            self._rows.met(looked.item.number, looked.key)

    def _make_room(self) -> None:
        """Wait while so much is to be written that nothing more may come."""
        if self._thread.full:
            self._thread.wait_for(lambda: not self._thread.full)

    def is_open(self, item: Item) -> bool:
        """Whether this item was let in and its end is not in the journal yet; only where items may come again."""
        return os.fsencode(self._reader.key(item)) in self._under_way

    def saw(self, item: Item, stamp: Stamp) -> bool:
        """Whether the input was the same, by size and time, when this item last ended. In the discovery thread."""
        with refusals(self.path):
            return self.lookup.saw(item, stamp)

    def adopted(self, looked: Looked) -> None:
        """An output that is there was taken as ours."""
        self._make_room()
        head = (self._job, looked.key, self._root, *recorded(looked.stamp), self._chain)
        assert looked.output is not None
        self._thread.claim((looked.output, self._job, looked.key, self.run, None, None))
        self._thread.ended(Ended(head, DONE, looked.target, looked.output, None))

    def refused(self, item: Item, outcome: str, cause: Cause) -> None:
        """An item was refused at the intake: the run's failures say so, and what was known of it stays."""
        self._make_room()
        head = (self._job, os.fsencode(self._reader.key(item)))
        self._failed(_Open(head, "", None, item.source), outcome, cause, row=False)

    # ---- the loop ----------------------------------------------------------------------------------------------

    def is_claimed(self, ticket: int) -> bool:
        """Whether the claim of this ticket is in the journal; if not, it will be soon, and `woken` is called."""
        if ticket <= self._thread.committed:
            return True
        self._thread.hurry()
        return False

    def claim_part(self, target: str, item: Item, answer: Callable[[Cause | None], None]) -> None:
        """Claim a name that a frame decided; `answer` gets the reason against it or None, in another thread."""
        opened = self._open.get(item.number)

        def ask() -> Cells | Cause:
            with refusals(self.path):
                member = self._rows.name_of(target, item) if self._rows is not None else None
                why, foreign = self.lookup.of_part(target, item, member)
            if why is not None or opened is None or self._open.get(item.number) is not opened:
                return why or Cause("", "refused", "the item is over")
            if member is None:
                self._parts.setdefault(item.number, {})[target] = self.lookup.output_of(target)
            name = member or self.lookup.output_of(target)
            return (name, self._job, opened.head[1], self.run, *(foreign or (None, None)))

        self._thread.check(ask, answer)

    def wait_until_claimed(self, ticket: int) -> None:
        """Wait for the claim of this ticket, or for `error`."""
        self._thread.wait_for(lambda: ticket <= self._thread.committed)

    def claim_part_now(self, target: str, item: Item) -> Cause | None:
        """As `claim_part`, for a caller that waits."""
        answered = SimpleQueue[Cause | None]()
        self.claim_part(target, item, answered.put)
        return answered.get()

    def given(self, item: Item, part: int, data: bytes) -> None:
        """The last group gave this of an item that was let in; `part` tells what it gave at several times apart."""
        opened = self._open.get(item.number)
        if self._rows is not None and opened is not None and data:
            self._rows.given(opened.head[1], item, part, data)

    def ended(self, item: Item, outcome: str, cause: Cause | None, busy_us: int = 0) -> None:
        """An item that was let in has ended."""
        opened, parts = self._open.pop(item.number, None), self._parts.pop(item.number, None)
        if opened is None:
            return
        if outcome not in OUTCOMES:
            self._under_way.discard(opened.head[1])
            return
        several = tuple(parts.items()) if parts is not None else () if opened.output is None else None
        beside = self._rows.staged(item) if self._rows is not None else ()
        if outcome == "done":
            self._thread.ended(Ended(opened.head, DONE, opened.target, opened.output, several, busy_us, beside=beside))
        else:
            self._failed(opened, outcome, cause or Cause("", "", ""), several, busy_us=busy_us)

    def _failed(
        self, opened: _Open, outcome: str, cause: Cause, parts: Several = None, *, row: bool = True, busy_us: int = 0
    ) -> None:
        number, told = OUTCOMES.index(outcome), {"cause": cause.as_parts()}
        said = json.dumps(told | ({"versions": versions()} if outcome == "quarantined" else {}))
        failed = (opened.head[1], os.fsencode(opened.source), number, said) if outcome != "skipped" else None
        self._thread.ended(Ended(opened.head, number, opened.target, opened.output, parts, busy_us, said, failed, row))

    @property
    def error(self) -> PipelineError | None:
        return self._thread.error

    @property
    def cpu_s(self) -> float:
        """Processor time of the journal's threads, known when it is closed."""
        return self._thread.cpu_s

    def wake(self, woken: Callable[[], None]) -> None:
        """Have this called, in another thread, after claims were committed."""
        self._thread.woken = woken

    def flush(self) -> None:
        """Write all that came. Raises nothing: `error` says what went wrong."""
        self._thread.close()

    def prune(self) -> list[str]:
        """Remove outputs whose input is gone, as `Pruning` says. After `flush`; raises EnvironmentRefusal, OSError."""
        with refusals(self.path):
            pruning = self._opened.pruning
            return pruning.carry_out() if pruning is not None else []

    def partials(self) -> Partials:
        """What reducers gave, and their results. After `flush`."""
        return Partials(self._db, self._job, self._chain, self._looked)

    def stands_for(self, tokens: Sequence[str], chain: str) -> bool:
        """This run looks at nothing itself: it stands for these runs of shards, which have this chain. False where the
        journal does not know all of them, or anything else was done for the job since they began.
        """
        known = self._db.execute(
            "SELECT id, token, json_extract(command, '$.merges') FROM runs WHERE job = ?", (self._job,)
        )
        runs = known.fetchall()
        ours = {number for number, token, _ in runs if token in set(tokens)}
        others = {number for number, token, merges in runs if token not in set(tokens) and merges is None}
        named = self._db.execute("SELECT hash FROM chains WHERE id = ?", (self._chain,)).fetchone()[0]
        if len(ours) != len(set(tokens)) or named != chain or any(number > min(ours) for number in others - {self.run}):
            return False
        self._looked = sorted(ours)
        return True

    def packs(self) -> Packs:
        """Members and their archives. After `flush`."""
        return Packs(self._db, self._reading, self._job, self._chain, self.plan)

    @property
    def knows(self) -> int:
        """How many items of this job the journal knows."""
        with refusals(self.path):
            count = self._reading.execute("SELECT count(*) FROM items WHERE job = ?", (self._job,)).fetchone()[0]
        return int(count)

    def abandon(self) -> None:
        """Let go of the output, whatever happened; the run counts as one that was killed unless it was closed."""
        self._thread.close()
        self._opened.close()

    def close(self, exit_code: int, report: Mapping[str, Any]) -> None:
        """Write what is left and the end of the run, and let go of the output. Safe to call twice.

        Raises:
            EnvironmentRefusal: it could not be written.
        """
        if self._closed:
            return
        self._closed = True
        self._thread.close()
        with refusals(self.path):
            ended = (time.time_ns(), exit_code, json.dumps(dict(report), default=str))
            if exit_code == Exit.USAGE and not report.get("found"):
                never_began(self._db, self.run)
                self._opened.ended(*ended)
            elif self._thread.error is None:
                if report.get("up_to_date") or report.get("done"):
                    seen(self._db, self._root, self._reader.root)
                end_run(self._db, self.run, *ended)
                self._opened.ended(*ended)
        self._opened.close()
