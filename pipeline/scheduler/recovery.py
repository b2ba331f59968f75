"""What happens when something breaks: errors, lost workers, retries, streams that start over, the end of a run."""

from __future__ import annotations

from ..errors import Exit
from ..transport.records import TRANSIENT
from .budget import MAX_UNREADY_DEATHS, backoff_s
from .lifecycle import Flow
from .state import Entry, Halt, Kill, Lane, Start, Unit, Worker


class Scheduler(Flow):
    """The whole pure core: the undisturbed flow and its one retry path."""

    # ---- events ------------------------------------------------------------------------------------------------

    def failed(self, worker: Worker, flags: int, lease: int, stage: str, kind: str, reason: str) -> None:
        """A stage raised. Only an error that may pass is tried again."""
        unit = self._come_back(worker, lease)
        if unit is None:
            return
        if unit.dead:
            self._discard(unit)
        elif flags & TRANSIENT and unit.attempt < self.plan.settings.on_error.retries and unit.lane.producer is None:
            unit.attempt += 1
            self._requeue(unit)
            if self.admission.ordered and not unit.group and worker.leases:
                # The younger leases behind it may wait for memory until this one was served: they must make way.
                worker.up = False
                self._recount(worker.group)
                self.orders.append(Kill(worker.name, ""))
        else:
            self._give_up(unit, stage, kind, reason)

    def skipped(self, worker: Worker, lease: int, reason: str) -> None:
        """A stage raised Skip: the frame is dropped on purpose."""
        unit = self._come_back(worker, lease)
        if unit is None:
            return
        unit.item.skip = unit.item.skip or reason
        if unit.dead:
            self._discard(unit)
        else:
            self._drop(unit)

    def _come_back(self, worker: Worker, lease: int) -> Unit | None:
        """The unit of a lease that ended without a result; None for a late word of a worker that was given up."""
        unit = worker.leases.pop(lease, None)
        if unit is None:
            self.stale += 1
        else:
            self._unlease(worker, unit)
            self.moved += 1
        return unit

    def lost(self, worker: Worker, running: int, cause: tuple[str, str, str] | None) -> None:
        """A worker has ended and its remains were collected: nothing it held can change any more.

        Args:
            running: lease it was working on, 0 if unknown: then the oldest is the suspect.
            cause: stage, kind and reason; None when it was ended on purpose and nobody is to blame.
        """
        group, sticky = worker.group, worker.sticky
        units = list(worker.leases.values())
        was_up, was_fresh = worker.up, worker.fresh
        worker.leases.clear()
        worker.load, worker.texts = 0, list(range(group.most_credit))
        worker.up, worker.fresh, worker.only, worker.asks = False, True, None, False
        self._recount(group)
        group.restarts += 1
        for unit in units:
            unit.worker = None
            if unit.asking:
                self.admission.forget(unit)
            if unit in self.place_wait:
                self.place_wait.remove(unit)
        suspect = next((unit for unit in units if unit.lease == running), units[0] if units else None)
        for unit in reversed(units):
            if unit is not suspect or cause is None:
                self._spare(unit)
        if suspect is not None and cause is not None:
            self._blame(suspect, *cause)
        if sticky is not None and not sticky.dead:  # its half-written output is gone with it
            assert sticky.producer is not None
            self._restart(sticky, cause)
        self._replace(worker, was_up=was_up, was_fresh=was_fresh, cause=cause)

    def drain(self) -> None:
        """No new items; what has begun is finished, streams are broken off."""
        self.draining = True
        while self.items:
            entry = self.items.popleft()
            entry.cancelled = True
            self._count(*self.verdicts.close(entry))
        for lane in list(self.lanes):
            if lane.producer is not None and not lane.dead:
                lane.producer.item.cancelled = True
                self._abandon(lane)

    def cancel_rest(self) -> None:
        """The run stops here: whatever is not over is cancelled."""
        self.verdicts.ledger.cancelled += self.open + len(self.items)
        self.open = 0
        self.items.clear()

    # ---- the retry path ----------------------------------------------------------------------------------------

    def _blame(self, unit: Unit, stage: str, kind: str, reason: str) -> None:
        """The suspect has used up one attempt; the last one is made alone, in a fresh worker."""
        lane = unit.lane
        if unit.dead:
            self._discard(unit)
        elif lane.producer is not None and (lane.closing or unit.group in (0, len(self.groups) - 1)):
            if unit is not lane.producer:
                self._requeue(unit)  # among the waiting ones, which the restart drops
            self._restart(lane, (stage, kind, reason))
        else:
            unit.attempt += 1
            if unit.attempt > self.plan.settings.on_error.retries:
                unit.item.quarantined = True
                self._give_up(unit, stage, kind, f"{reason} ({unit.attempt} attempts)")
            else:
                unit.solo = unit.attempt == self.plan.settings.on_error.retries
                self._requeue(unit)

    def _spare(self, unit: Unit) -> None:
        """A younger lease of a lost worker: back to the head of its queue at no cost."""
        if unit.dead:
            self._discard(unit)
        elif unit.lane.producer is unit:
            self._restart(unit.lane, None)
        else:
            self._requeue(unit)

    def _requeue(self, unit: Unit) -> None:
        number, queues = unit.group, unit.lane.queues
        group = self.groups[number]
        if unit.placed:
            queues[number + 1].occupied -= 1  # type: ignore[union-attr]
            unit.placed = False
        self._return_grants(unit)
        if unit in group.producers:
            group.producers.remove(unit)
        if not number and not self.admission.ordered and unit.slots is None:
            self.admission.give_back(unit)  # it waits for a worker now, and that one may wait for memory
        if unit.solo:
            group.solo.append(unit)
        elif number:
            queues[number].put_back(unit)  # type: ignore[union-attr]
        else:
            self.retry.appendleft(unit)

    def _give_up(self, unit: Unit, stage: str, kind: str, reason: str) -> None:
        entry = unit.item
        entry.failure = entry.failure or (stage, kind, reason)
        if unit.lane.producer is not None:
            self._abandon(unit.lane, unit)
        else:
            self._drop(unit)

    def _drop(self, unit: Unit) -> None:
        """A unit that leaves its group for good without going on."""
        if unit.grants is not None or (self.many and not unit.group):
            self._produced(unit)
        else:
            self._vacate(unit)
            self._end(unit)

    def _discard(self, unit: Unit) -> None:
        """A unit of a broken-off stream comes back from its worker."""
        if unit.lane.closing:
            unit.ended = False
        if unit is unit.lane.producer:
            self._vacate_producer(unit)
        else:
            self._drop(unit)

    # ---- streams -----------------------------------------------------------------------------------------------

    def _restart(self, lane: Lane, cause: tuple[str, str, str] | None) -> None:
        """A stream whose reader or writer died starts over, as a whole; at no cost where nobody is to blame."""
        assert lane.producer is not None
        entry = lane.producer.item
        entry.attempt += cause is not None
        entry.frames = 0
        if cause is not None and entry.attempt > self.plan.settings.on_error.retries:
            stage, kind, reason = cause
            entry.quarantined = True
            entry.failure = entry.failure or (stage, kind, f"{reason} ({entry.attempt} attempts)")
        self._abandon(lane)

    def _abandon(self, lane: Lane, unit: Unit | None = None) -> None:
        """Break a stream off: waiting frames are dropped, leased ones when they come back; its writer is replaced.

        `unit` is one that just came back from its worker.
        """
        if lane.dead:
            return
        lane.dead = True
        if unit is not None and unit is not lane.producer:
            self._drop(unit)
        producer, writer = lane.producer, lane.writer
        assert producer is not None
        if writer is not None and writer.up:
            writer.up = False
            self._recount(writer.group)
            self.orders.append(Kill(writer.name, ""))
        self._drop_waiting(lane, producer)
        if producer.ended and not lane.closing:
            return
        producer.dead = True
        if producer.worker is None:
            self._vacate_producer(producer)
        elif not lane.closing:
            self._refuse_dead(producer.worker, producer)

    def _drop_waiting(self, lane: Lane, producer: Unit) -> None:
        member = lane.line.oldest
        while member is not None:
            unit: Unit = member  # type: ignore[assignment]
            member = member.younger
            if unit is producer:
                continue
            if unit.worker is not None:
                unit.dead = True
                if unit.grants is not None:
                    self._refuse_dead(unit.worker, unit)
                continue
            group = self.groups[unit.group]
            if unit in group.solo:
                group.solo.remove(unit)
                self._vacate(unit)
            else:
                lane.queues[unit.group].drop(unit)  # type: ignore[union-attr]
            self._end(unit)

    def _vacate_producer(self, unit: Unit) -> None:
        """The reader of a broken-off stream has let go (or its writer, when the stream was being closed)."""
        lane = unit.lane
        if lane.closing:
            lane.closing = False
            unit.item.live = 0
            self._item_over(unit.item, lane)
        elif not unit.ended:
            self._produced(unit)

    def _replace(self, worker: Worker, *, was_up: bool, was_fresh: bool, cause: tuple[str, str, str] | None) -> None:
        group = worker.group
        if cause is not None:
            group.unproductive = group.unproductive + 1 if was_fresh else 0
            if not was_up:
                group.unready_deaths += 1
        if group.unready_deaths > MAX_UNREADY_DEATHS:
            reason = f"group {group.name!r} cannot start: {group.unready_deaths} of its workers ended before Ready"
            self.orders.append(Halt(Exit.STOPPED, f"{reason}; the last one: {cause[2] if cause else ''}"))
            return
        self.orders.append(Start(worker.name, backoff_s(group.unproductive)))


__all__ = ["Entry", "Scheduler"]
