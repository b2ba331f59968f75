"""Where something breaks: errors, lost workers, retries, streams that start over, a run that is stopped. Pure."""

from __future__ import annotations

from ..contracts.cause import Cause
from ..errors import Exit
from ..transport.records import TRANSIENT
from .answers import Answers
from .budget import MAX_UNREADY_DEATHS, Budget, backoff_s
from .commands import Halt, Start
from .endings import Endings
from .entities import Lane, Unit, Worker
from .memory import Memory
from .state import State


class Recovery:
    """The events of a disturbed run, and the one retry path. Every public method is one event."""

    def __init__(self, state: State, memory: Memory, answers: Answers, endings: Endings, budget: Budget) -> None:
        self._state = state
        self._memory = memory
        self._answers = answers
        self._endings = endings
        self._budget = budget
        self._retries = state.plan.settings.on_error.retries

    def failed(self, worker: Worker, flags: int, lease: int, cause: Cause) -> None:
        """A stage raised. Only an error that may pass (flag TRANSIENT) is tried again."""
        unit = self._come_back(worker, lease)
        if unit is None:
            return
        if unit.dead:
            self._endings.discard(unit)
        elif flags & TRANSIENT and unit.attempt < self._retries and unit.lane.producer is None:
            unit.attempt += 1
            self._requeue(unit)
            if self._memory.ordered and not unit.group and worker.leases:
                # The younger leases behind it may wait for memory until this one was served: they must make way.
                self._state.replace(worker)
        else:
            self._give_up(unit, cause)

    def skipped(self, worker: Worker, lease: int, cause: Cause) -> None:
        """A stage raised Skip: the frame is dropped on purpose."""
        unit = self._come_back(worker, lease)
        if unit is None:
            return
        unit.item.skip = unit.item.skip or cause
        if unit.dead:
            self._endings.discard(unit)
        else:
            self._endings.leave(unit)

    def lost(self, worker: Worker, running: int, cause: Cause | None) -> None:
        """A worker has ended and its remains were collected: nothing it held can change any more.

        Args:
            running: lease it was working on, 0 if unknown: then the oldest is the suspect.
            cause: None when it was ended on purpose, or by the death of the fork server, and no unit is to blame.
        """
        was_up, was_fresh, sticky = worker.up or worker.retiring, worker.fresh, worker.sticky
        units = worker.lose()
        worker.group.restarts += 1
        for unit in units:
            if unit.asking:
                self._memory.forget(unit)
            if unit in self._state.place_wait:
                self._state.place_wait.remove(unit)
        suspect = next((unit for unit in units if unit.lease == running), units[0] if units else None)
        for unit in reversed(units):
            if unit is not suspect or cause is None:
                self._spare(unit)
        if suspect is not None and cause is not None:
            self._blame(suspect, cause)
        if sticky is not None and not sticky.dead:  # its half-written output is gone with it
            self._restart(sticky, cause)
        self._replace(worker, was_up=was_up, was_fresh=was_fresh, cause=cause)

    def drain(self) -> None:
        """No new items; what has begun is finished, streams are broken off."""
        state = self._state
        state.draining = True
        while state.items:
            self._endings.cancel(state.items.popleft())
        for lane in list(state.lanes):
            if lane.producer is not None and not lane.dead:
                lane.producer.item.cancelled = True
                self._abandon(lane)

    def cancel_rest(self) -> None:
        """The run stops here: whatever is not over is cancelled."""
        state = self._state
        self._budget.ledger.cancelled += state.open + len(state.items)
        state.open = 0
        state.items.clear()

    # ---- the retry path ----------------------------------------------------------------------------------------

    def _come_back(self, worker: Worker, lease: int) -> Unit | None:
        """The unit of a lease that ended without a result; None for a late word of a worker that was given up."""
        unit = worker.release(lease)
        if unit is None:
            self._state.stale += 1
        else:
            self._state.moved += 1
        return unit

    def _blame(self, unit: Unit, cause: Cause) -> None:
        """The suspect has used up one attempt; the last one, and any after memory ran out, is made alone and fresh."""
        lane = unit.lane
        if unit.dead:
            self._endings.discard(unit)
        elif lane.producer is not None and (lane.closing or unit.group in (0, len(self._state.groups) - 1)):
            if unit is not lane.producer:
                self._requeue(unit)  # among the waiting ones, which the restart drops
            self._restart(lane, cause)
        else:
            unit.attempt += 1
            if unit.attempt > self._retries:
                unit.item.quarantined = True
                self._give_up(unit, cause.after(unit.attempt))
            else:
                unit.solo = unit.attempt == self._retries or cause.kind == "memory"
                self._requeue(unit)

    def _spare(self, unit: Unit) -> None:
        """A younger lease of a lost worker: back to the head of its queue at no cost."""
        if unit.dead:
            self._endings.discard(unit)
        elif unit.lane.producer is unit:
            self._restart(unit.lane, None)
        else:
            self._requeue(unit)

    def _requeue(self, unit: Unit) -> None:
        number, queues = unit.group, unit.lane.queues
        group = self._state.groups[number]
        if unit.placed:
            queues[number + 1].occupied -= 1
            unit.placed = False
        self._answers.take_back_slots(unit)
        if unit in group.producers:
            group.producers.remove(unit)
        if not number and not self._memory.ordered and unit.slots is None:
            self._memory.give_back(unit)  # it waits for a worker now, and that one may wait for memory
        if unit.solo:
            group.solo.append(unit)
        elif number:
            queues[number].put_back(unit)
        else:
            self._state.retry.appendleft(unit)

    def _give_up(self, unit: Unit, cause: Cause) -> None:
        unit.item.failure = unit.item.failure or cause
        if unit.lane.producer is not None:
            self._abandon(unit.lane, unit)
        else:
            self._endings.leave(unit)

    # ---- streams -----------------------------------------------------------------------------------------------

    def _restart(self, lane: Lane, cause: Cause | None) -> None:
        """A stream whose reader or writer died starts over, as a whole; at no cost where no unit is to blame."""
        assert lane.producer is not None
        entry = lane.producer.item
        entry.frames = 0
        if cause is not None:
            entry.attempt += 1
            if entry.attempt > self._retries:
                entry.quarantined = True
                entry.failure = entry.failure or cause.after(entry.attempt)
        self._abandon(lane)

    def _abandon(self, lane: Lane, unit: Unit | None = None) -> None:
        """Break a stream off: waiting frames are dropped, leased ones when they come back; its writer is replaced.

        `unit` is one that just came back from its worker.
        """
        if lane.dead:
            return
        lane.dead = True
        producer, writer = lane.producer, lane.writer
        assert producer is not None
        if unit is not None and unit is not producer:
            self._endings.leave(unit)
        if writer is not None and writer.up:
            self._state.replace(writer)
        self._drop_frames(lane, producer)
        if producer.ended and not lane.closing:
            return
        producer.dead = True
        if producer.worker is None:
            self._endings.producer_free(producer)
        elif not lane.closing:
            self._answers.cancel(producer.worker, producer)

    def _drop_frames(self, lane: Lane, producer: Unit) -> None:
        member = lane.line.oldest
        while member is not None:
            unit, member = member, member.younger
            if unit is producer:
                continue
            if unit.worker is None:
                self._endings.drop_waiting(unit)
                continue
            unit.dead = True
            if unit.grants is not None:
                self._answers.cancel(unit.worker, unit)

    # ---- workers -----------------------------------------------------------------------------------------------

    def _replace(self, worker: Worker, *, was_up: bool, was_fresh: bool, cause: Cause | None) -> None:
        group = worker.group
        if cause is not None:
            group.unproductive = group.unproductive + 1 if was_fresh else 0
            if not was_up:
                can_start = any(other.up for other in group.workers if other is not worker)
                group.unready_deaths = 0 if can_start else group.unready_deaths + 1
        if group.unready_deaths > MAX_UNREADY_DEATHS[group.has_started]:
            text = f"group {group.name!r} cannot start: {group.unready_deaths} of its workers ended before Ready"
            last = cause.reason if cause is not None else ""
            self._state.orders.append(Halt(Exit.STOPPED, f"{text}; the last one: {last}"))
            return
        self._state.orders.append(Start(worker.name, backoff_s(group.unproductive, has_started=group.has_started)))
