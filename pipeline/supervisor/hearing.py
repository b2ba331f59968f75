"""Records in: what workers say becomes events of the core; what their stages print goes to the observer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..errors import Exit
from ..journal import Journal
from ..plan.model import Plan
from ..scheduler import Entry, Halt, Outcome, Scheduler, Unit
from ..transport.records import (
    ALIVE,
    BYE,
    CLAIM,
    CLAIMED,
    CPU_US,
    DONE,
    EMIT,
    ENDED,
    FAILED,
    FLAGS,
    FULL,
    HELD,
    KIND,
    LEASE,
    NEED,
    PARTIALS,
    READY,
    RECORD_NBYTES,
    REFUSE,
    REMARKS,
    RSS_KBYTES,
    SKIPPED,
    SLOT,
    SLOTS,
    SLOTS_WANTED,
    SPAN,
    UNIT,
    Record,
    extents_of,
    iter_unpack,
    pack,
)  # fmt: skip
from ..transport.records import record as make
from .handle import Handle, Said
from .intake import Intake

OVER = (DONE, ENDED)  # once: in the loop, a tuple would be made for every record


class Observer(Protocol):
    """What is told of a run as it goes; all of it is called in the loop of the parent."""

    def done(self, entries: Sequence[Entry]) -> None:
        """Items were done."""

    def ended(self, outcome: Outcome) -> None:
        """An item ended in another way."""

    def untouched(self, items: Sequence[Item]) -> None:
        """Items are up to date."""

    def redone(self, reason: str) -> None:
        """An item is let in, and the journal says why."""

    def printed(self, group: str, stage: str, line: str) -> None:
        """A stage printed a line."""


class Hearing:
    """Hears the workers of a run; called in the loop of the parent.

    Attributes:
        ready_at: when every worker was ready, on the run's clock; None until then.
        halt: why the run cannot go on; None while it can. The first reason counts.
        wake: wakes a loop that waits; called by other threads.
        held: by the number of a group, bits of what confines all of its workers that got ready.
    """

    def __init__(self, plan: Plan, core: Scheduler, intake: Intake, observer: Observer) -> None:
        self.plan = plan
        self.core = core
        self.intake = intake
        self.observer = observer
        self.ready_at: float | None = None
        self.halt: Halt | None = None
        self.held: dict[int, int] = {}
        self.wake: Callable[[], None] = lambda: None
        self._claims: deque[tuple[Handle, Unit, Record, Cause | None]] = deque()
        self._on: dict[int, Callable[[Handle, Record], None]] = {
            NEED: self._on_need, READY: self._on_ready, FAILED: self._on_failed, SKIPPED: self._on_skipped,
            CLAIM: self._on_claim, BYE: self._on_bye, ALIVE: self._on_alive,
        }  # fmt: skip

    def broken(self, halt: Halt) -> None:
        """The run cannot go on."""
        self.halt = self.halt or halt

    def heard(self, handle: Handle, data: bytes) -> bool:
        """Records of a worker, also the last ones of one that is gone; False for what no worker of ours sends."""
        core, worker = self.core, handle.worker
        if len(data) % RECORD_NBYTES:
            return False
        for record in iter_unpack(data):
            kind = record[KIND]
            if kind in OVER:
                if record[FLAGS] & REMARKS:
                    self._on_remarks(handle, record)
                if record[FLAGS] & PARTIALS and self.intake.journal is not None:
                    self._on_partials(handle, record, self.intake.journal)
                core.done(worker, record)
            elif kind == EMIT:
                core.emit(worker, record)
            elif (act := self._on.get(kind)) is not None:
                act(handle, record)
            else:
                return False
        return True

    def printed(self, handle: Handle, said: Sequence[Said]) -> None:
        """Lines that stages of a worker printed."""
        group = handle.worker.group.name
        for stage, line in said:
            self.observer.printed(group, self.plan.stage_at(stage).label, line)

    def _on_remarks(self, handle: Handle, record: Record) -> None:
        unit = handle.worker.leases.get(record[LEASE])
        if unit is not None:  # an item that is tried again says the same again
            unit.item.remarks = tuple(dict.fromkeys((*unit.item.remarks, *handle.control.text(record[SLOT]))))

    def _on_partials(self, handle: Handle, record: Record, journal: Journal) -> None:
        unit = handle.worker.leases.get(record[LEASE])
        if unit is not None and handle.worker.group.plan.writes:
            journal.given(unit.item.item, unit.index, handle.control.partial(record[SLOT]))

    def _on_need(self, handle: Handle, record: Record) -> None:
        slots = record[SLOTS_WANTED] if record[FLAGS] & SLOTS else 0
        self.core.need(handle.worker, record[LEASE], extents_of(record), record[SPAN] * UNIT, slots)

    def _on_ready(self, handle: Handle, record: Record) -> None:
        number = handle.boot.group
        self.held[number] = self.held.get(number, record[HELD]) & record[HELD]
        self.core.ready(handle.worker, extents_of(record))
        if self.ready_at is None and all(worker.up for worker in self.core.workers):
            self.ready_at = time.monotonic()

    def _on_failed(self, handle: Handle, record: Record) -> None:
        cause = Cause.of_parts(handle.control.text(record[SLOT]))
        self.core.failed(handle.worker, record[FLAGS], record[LEASE], cause)
        if record[FLAGS] & FULL:
            what = f"the output cannot be written: {cause.reason}; free space and run again"
            self.broken(Halt(Exit.ENVIRONMENT, what))

    def _on_skipped(self, handle: Handle, record: Record) -> None:
        self.core.skipped(handle.worker, record[LEASE], Cause.of_parts(handle.control.text(record[SLOT])))

    def _on_claim(self, handle: Handle, record: Record) -> None:
        unit = handle.worker.leases.get(record[LEASE])
        target = handle.control.text(record[SLOT])[0]
        refused = self._refused(handle, unit, target)
        journal = self.intake.journal
        if refused is not None or journal is None or unit is None:
            self._answer_claim(handle, record, refused)
            return

        def answered(cause: Cause | None) -> None:  # in the thread of the journal
            self._claims.append((handle, unit, record, cause))
            self.wake()

        journal.claim_part(target, unit.item.item, answered)

    def _refused(self, handle: Handle, unit: Unit | None, target: str) -> Cause | None:
        """Why a name may not be had, as far as this run knows."""
        if not self._may_name(handle, target):
            return Cause("", "refused", f"{target!r} is not the name of an output of this job")
        if unit is None:
            return Cause("", "refused", "cancelled")
        taken = self.intake.claim(target, unit.item.item, unit.index)
        return Cause("", "collision", taken) if taken else None

    def _may_name(self, handle: Handle, target: str) -> bool:
        """Whether a worker writes outputs, and this path is below their folder: one that was taken over may lie."""
        template = self.intake.template
        if not handle.worker.group.plan.writes or template is None:
            return False
        head = "" if template.root == "." else template.root.rstrip("/") + "/"
        below = target.removeprefix(head)
        return target.startswith(head) and not below.startswith("/") and ".." not in below.split("/")

    def answer_claims(self) -> None:
        """Tell workers what came of the names that they asked for, once the journal has them."""
        while self._claims:
            handle, unit, record, refused = self._claims.popleft()
            if handle.process is not None and handle.worker.leases.get(record[LEASE]) is unit:
                self._answer_claim(handle, record, refused)

    def _answer_claim(self, handle: Handle, record: Record, refused: Cause | None) -> None:
        if refused is not None:
            handle.control.put_text(record[SLOT], refused.reason, refused.kind)
        answer = make(REFUSE if refused else CLAIMED, slot=record[SLOT], lease=record[LEASE])
        handle.outgoing.append(pack(*answer))
        handle.write()

    def _on_alive(self, _: Handle, __: Record) -> None:
        self.core.alive()  # what counts is that it said something: its deadline begins anew

    def _on_bye(self, handle: Handle, record: Record) -> None:
        handle.cpu_s += record[CPU_US] / 1e6
        handle.rss_nbytes = max(handle.rss_nbytes, record[RSS_KBYTES] * 1024)
