"""Waiting on descriptors: epoll where there is one, poll elsewhere. Half the price of `selectors` on the hot path."""

from __future__ import annotations

import select
from collections.abc import Callable


class Poller:
    """Calls what belongs to each readable descriptor."""

    def __init__(self) -> None:
        self._acts: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = None if self._epoll else select.poll()

    def add(self, fd: int, act: Callable[[], None]) -> None:
        """Call `act` whenever `fd` has something to read, or has ended."""
        self._acts[fd] = act
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        elif self._poll is not None:
            self._poll.register(fd, select.POLLIN)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; nothing happens when it is not known."""
        if self._acts.pop(fd, None) is None:
            return
        if self._epoll is not None:
            self._epoll.unregister(fd)
        elif self._poll is not None:
            self._poll.unregister(fd)

    def turn(self, timeout_s: float) -> None:
        """Wait for something to happen, at most so long, and call what belongs to it."""
        self.act(self.wait(timeout_s))

    def wait(self, timeout_s: float) -> list[tuple[int, int]]:
        """What happened, after at most so long; for `act`."""
        if self._epoll is not None:
            return self._epoll.poll(timeout_s)
        assert self._poll is not None
        return self._poll.poll(timeout_s * 1000)

    def act(self, events: list[tuple[int, int]]) -> None:
        """Call what belongs to each event; a descriptor removed meanwhile has nothing."""
        acts = self._acts
        for fd, _ in events:
            act = acts.get(fd)
            if act is not None:
                act()

    def close(self) -> None:
        """Free the epoll descriptor."""
        if self._epoll is not None:
            self._epoll.close()
