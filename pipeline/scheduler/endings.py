"""How units and items end: what they hold is given back, the item is counted with its last unit. Pure.

Called by `lifecycle` for the undisturbed ends and by `recovery` for all others.
"""

from __future__ import annotations

from ..transport.records import FINISH, record
from .answers import Answers
from .budget import Budget
from .entities import Entry, Lane, Unit
from .memory import Memory
from .state import State


class Endings:
    """The ends of units and items."""

    def __init__(self, state: State, memory: Memory, answers: Answers, budget: Budget) -> None:
        self._state = state
        self._memory = memory
        self._answers = answers
        self._budget = budget
        self._ledger = budget.ledger

    # ---- units --------------------------------------------------------------------------------------------------

    def written(self, unit: Unit, frames: int) -> None:
        """The last group is done with a unit: it wrote `frames` frames, or it closed the output of a stream."""
        lane, entry, number = unit.lane, unit.item, unit.group
        if lane.closing:
            self._stream_over(lane)
            return
        entry.frames += frames
        if number:
            lane.queues[number].occupied -= 1
        if entry.live > 1 or unit.producer is not None or lane.producer is not None:
            self._end(unit)
            return
        if lane.ordered:  # the usual end, of an item of one frame, without the detours of the others
            lane.line.remove(unit)
        unit.ended = True
        if unit.region >= 0:
            self._memory.give_back(unit)
        entry.live = 0
        self._close(entry)

    def leave(self, unit: Unit) -> None:
        """A unit came back from its worker and does not go on. What a producer has made is on its way still."""
        self._vacate(unit)
        self._end(unit)

    def drop_waiting(self, unit: Unit) -> None:
        """A unit that waits for a worker does not go on."""
        solo = self._state.groups[unit.group].solo
        if unit in solo:
            solo.remove(unit)
            self._vacate(unit)
        else:
            unit.lane.queues[unit.group].drop(unit)
        self._end(unit)

    def discard(self, unit: Unit) -> None:
        """A unit of a stream that was broken off came back from its worker."""
        if unit is unit.lane.producer:
            self.producer_free(unit)
        else:
            self.leave(unit)

    def producer_free(self, unit: Unit) -> None:
        """The reader of a stream that was broken off has let go; or the writer, where it was closing the output."""
        lane = unit.lane
        if lane.closing:
            lane.closing = False
            unit.item.live = 0
            self._item_over(unit.item, lane)
        elif not unit.ended:
            self.leave(unit)

    def cancel(self, entry: Entry) -> None:
        """An item that was not begun will not be."""
        entry.cancelled = True
        self._count(entry)

    def _vacate(self, unit: Unit) -> None:
        """Give back the places and grants that the unit holds in and behind its group."""
        queues, number = unit.lane.queues, unit.group
        if unit.placed:
            queues[number + 1].occupied -= 1
            unit.placed = False
        self._answers.take_back_slots(unit)
        if number:
            queues[number].occupied -= 1
        group = self._state.groups[number]
        if unit in group.producers:
            group.producers.remove(unit)

    def _end(self, unit: Unit) -> None:
        """A unit that holds no place any more is over."""
        if unit.lane.ordered and not unit.ended:
            unit.lane.line.remove(unit)
        unit.ended = True
        if not unit.children:  # else with the last of them: their regions lie in its own
            self._retire(unit)

    def _retire(self, unit: Unit) -> None:
        """Free the region; the item is over with its last unit."""
        producer, entry = unit.producer, unit.item
        if producer is not None:
            assert producer.slots is not None
            producer.slots.append(unit.region)
            unit.region = -1
            producer.children -= 1
        else:
            self._memory.give_back(unit)
        entry.live -= 1
        if producer is not None and producer.ended and not producer.children:
            self._retire(producer)
        elif not entry.live:
            self._item_over(entry, unit.lane)

    # ---- items -------------------------------------------------------------------------------------------------

    def _item_over(self, entry: Entry, lane: Lane) -> None:
        if lane.producer is not None and not lane.dead:
            if entry.skip and not entry.frames:  # nothing came to the writer: there is no output to close
                self._stream_over(lane)
            else:
                self._finish_stream(lane, lane.producer)
            return
        state = self._state
        if lane.producer is not None:
            state.close_stream(lane)
            entry.cancelled = entry.cancelled or state.draining
            if not (entry.failure or entry.cancelled):
                state.open -= 1
                state.items.appendleft(entry)  # the stream starts once more
                return
        self._close(entry)

    def _finish_stream(self, lane: Lane, unit: Unit) -> None:
        """All frames are written: the writer may close the output."""
        state, writer, entry = self._state, lane.writer, unit.item
        assert writer is not None
        lane.closing = True
        entry.live = 1
        unit.group = writer.group.number
        lease = state.lease(writer, unit)
        state.sends.append((writer, record(FINISH, 0, unit.slot, lease, nth=unit.index), entry, ""))

    def _stream_over(self, lane: Lane) -> None:
        assert lane.producer is not None
        entry = lane.producer.item
        entry.live = 0
        self._state.close_stream(lane)
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        """The item is over."""
        self._state.open -= 1
        if entry.failure or entry.skip or entry.cancelled:
            self._count(entry)
        else:
            self._ledger.done += 1
            self._state.done_items.append(entry)

    def _count(self, entry: Entry) -> None:
        cause = entry.failure or entry.skip
        self._state.order(*self._budget.count(entry.item, entry.outcome, cause, entry.frames, entry.busy_us))
