"""From discovery into the core: items are let in a little ahead of what the readers can take, the rest is counted."""

from __future__ import annotations

from ..scheduler import Scheduler
from .discovery import Discovery, Untouched
from .hearing import Observer

FED = 256  # taken by one round at most: refused ones never fill the core, and workers wait meanwhile


class Feed:
    """Called in the loop of the parent.

    Raises, when called: what discovery raised.
    """

    def __init__(self, core: Scheduler, discovery: Discovery, observer: Observer) -> None:
        self._core = core
        self._discovery = discovery
        self._observer = observer

    @property
    def has_work(self) -> bool:
        """Whether something waits that needs a worker."""
        first = next(iter(self._discovery.found), None)
        return bool(self._core.items) or not (first is None or isinstance(first, Untouched) or first.outcome)

    def __call__(self) -> None:
        """Let in what was found, as far as the core can use it."""
        discovery, core = self._discovery, self._core
        for _ in range(FED):
            if not core.hungry:
                return
            found = discovery.take()
            if found is None:
                if discovery.ended and not discovery.found:
                    if discovery.error is not None:
                        raise discovery.error
                    core.end_of_input()
                return
            if isinstance(found, Untouched):
                core.untouched(len(found.items))
                self._observer.untouched(found.items)
            elif found.outcome:
                assert found.cause is not None
                core.turn_away(found.item, found.outcome, found.cause)
            else:
                if found.reason:
                    self._observer.redone(found.reason)
                core.offer(found.item, found.target)
