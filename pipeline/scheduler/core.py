"""The core as the supervisor sees it: events go in, questions are answered, sends and orders come out."""

from __future__ import annotations

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..plan.model import Plan
from .answers import Answers
from .budget import Budget
from .dispatch import Dispatch
from .endings import Endings
from .entities import Group, Worker
from .lifecycle import Lifecycle
from .memory import Memory, Pool
from .recovery import Recovery
from .state import State
from .wake_ups import WakeUps


class Scheduler:
    """The whole pure core: builds the state and its collaborators, and is all that the supervisor calls.

    Events of single frames are attributes bound to the collaborator that handles them, so that they cost no extra call:

    - `done(worker, record)`: a lease is over (`Lifecycle.done`).
    - `emit(worker, record)`: a producer made one of its frames (`Lifecycle.emit`).
    - `offer(item, target)`: an item was found (`Lifecycle.offer`).

    Args:
        plan: groups, order, whether items are streams, what may fail.
        pool: allocator of the arena.

    Attributes:
        groups, workers, items: of the state.
        sends, orders, done_items: what waits for the supervisor, which empties them in place once it has seen to them.
        ledger: how many items were found, and how each of them ended.
        state, memory, budget: for a look inside; only events change them.
    """

    def __init__(self, plan: Plan, pool: Pool) -> None:
        self.state = state = State(plan)
        self.budget = budget = Budget(plan.settings.on_error, of_shard=plan.shard is not None)
        self.memory = memory = Memory(pool, ordered=plan.in_order and not state.streams, many=state.many)
        wake_ups = WakeUps(plan, state.groups)
        answers = Answers(state, memory, wake_ups)
        endings = Endings(state, memory, answers, budget)
        lifecycle = Lifecycle(state, memory, endings, budget)
        self._wake_ups = wake_ups
        self._answers = answers
        self._lifecycle = lifecycle
        self._dispatch = Dispatch(state, memory, answers, wake_ups)
        self._recovery = Recovery(state, memory, answers, endings, budget)
        self.plan = plan
        self.groups, self.workers, self.items = state.groups, state.workers, state.items
        self.sends, self.orders, self.done_items = state.sends, state.orders, state.done_items
        self.ledger = budget.ledger
        self.done, self.emit, self.offer = lifecycle.done, lifecycle.emit, lifecycle.offer

    # ---- events ------------------------------------------------------------------------------------------------

    def turn_away(self, item: Item, outcome: str, cause: Cause) -> None:
        """An item was found that is not to be read: its output name is taken, or discovery left it out."""
        self._lifecycle.turn_away(item, outcome, cause)

    def untouched(self, count: int) -> None:
        """So many items were found that are up to date."""
        self._lifecycle.untouched(count)

    def end_of_input(self) -> None:
        """No more items will be found."""
        self.state.exhausted = True

    def ready(self, worker: Worker, extents: tuple[int, int, int]) -> None:
        """A worker has opened its stages; a reader of one fixed Spec says what every frame needs, a, b, m."""
        self._lifecycle.ready(worker, extents)

    def alive(self) -> None:
        """A worker says that its long lease makes progress: the run does not stall."""
        self.state.moved += 1

    def need(self, worker: Worker, lease: int, extents: tuple[int, int, int], span: int, slots: int) -> None:
        """A producer knows how much memory its frame (or, with slots, each of its frames) needs."""
        self._answers.need(worker, lease, extents, span, slots)

    def failed(self, worker: Worker, flags: int, lease: int, cause: Cause) -> None:
        """A stage raised. Only an error that may pass (flag TRANSIENT) is tried again."""
        self._recovery.failed(worker, flags, lease, cause)

    def skipped(self, worker: Worker, lease: int, cause: Cause) -> None:
        """A stage raised Skip: the frame is dropped on purpose."""
        self._recovery.skipped(worker, lease, cause)

    def lost(self, worker: Worker, running: int, cause: Cause | None) -> None:
        """A worker has ended. It worked on this lease, 0 if unknown; without a cause no unit is to blame for it."""
        self._recovery.lost(worker, running, cause)

    def retire(self, worker: Worker) -> None:
        """A worker is to be replaced in peace: it is given nothing more. `lost` tells when it has ended."""
        self.state.retire(worker)

    def drain(self) -> None:
        """No new items; what has begun is finished, streams are broken off."""
        self._recovery.drain()

    def cancel_rest(self) -> None:
        """The run stops here: whatever is not over is cancelled."""
        self._recovery.cancel_rest()

    def pump(self) -> None:
        """All events of this wake-up are in: hand out what can be handed out now."""
        self._dispatch.pump()

    # ---- questions ---------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing in flight and no items left."""
        state = self.state
        return not state.open and not state.items and (state.exhausted or state.draining)

    @property
    def hungry(self) -> bool:
        """Whether more items could be used soon."""
        state = self.state
        return len(state.items) < 2 * state.groups[0].limit and not state.draining

    @property
    def open(self) -> int:
        """Items that have begun and are not over."""
        return self.state.open

    @property
    def moved(self) -> int:
        """Events that moved a frame, for the stall guard."""
        return self.state.moved

    @property
    def exhausted(self) -> bool:
        """No more items will be found."""
        return self.state.exhausted

    @property
    def draining(self) -> bool:
        """No item is begun any more."""
        return self.state.draining

    def patience_us(self) -> int:
        """How long the parent may leave records lying, 0 for not at all."""
        return self._wake_ups.patience_us()

    def waits(self, worker: Worker) -> bool:
        """Whether the worker's oldest lease waits for memory or a place, so that it cannot be called hung."""
        unit = next(iter(worker.leases.values()), None)
        if unit is None:
            return True
        idle = unit.each is not None and not unit.grants and not unit.lane.closing
        return unit.asking or unit in self.state.place_wait or idle

    def closes(self, worker: Worker) -> bool:
        """Whether the worker closes the output of a stream, which may take long."""
        return worker.closes

    def has_work(self, group: Group) -> bool:
        """Whether something waits for this group that it may start on as far as order goes."""
        if not group.number:
            return bool(self.items or self.state.retry)
        return any(lane.queues[group.number].ready for lane in self.state.lanes)

    def waiting(self, group: Group) -> int:
        """Frames that wait before a group; 0 for the first, which has no queue. Any thread may ask."""
        if not group.number:
            return 0
        return sum(lane.queues[group.number].waiting for lane in list(self.state.lanes))
