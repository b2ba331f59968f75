"""Workers that are replaced in peace: after so many frames, or once they have grown so large. Looked at each tick."""

from __future__ import annotations

import resource

from ..config.keys import Recycle
from ..transport.records import STOP, pack, record
from .handle import Handle
from .workers import Workers

SIZES_S = 1.0  # between two looks at the sizes


class Recycling:
    """A worker is given nothing more, ends its leases, closes its stages, and is started anew."""

    def __init__(self, keys: Recycle, workers: Workers) -> None:
        self._keys = keys
        self._workers = workers
        self._sizes_at = 0.0
        self._asked: set[Handle] = set()

    def check(self) -> None:
        """Look at all workers; called in the loop."""
        keys, now = self._keys, self._workers.now
        if keys.items == "never" and keys.memory_nbytes == "never":
            return
        sizes = keys.memory_nbytes != "never" and now - self._sizes_at >= SIZES_S
        self._sizes_at = now if sizes else self._sizes_at
        for handle in self._workers.handles:
            worker = handle.worker
            if handle.process is None:
                continue  # starting anew, or the caller itself, who takes the place of a worker
            if worker.retiring:
                self._end(handle)
                continue
            self._asked.discard(handle)
            if worker.up and (self._is_spent(handle) or (sizes and self._is_large(handle))):
                self._workers.core.retire(worker)
                if not worker.load:
                    handle.since = now  # it may have been idle for long: its time to close begins now

    def _is_spent(self, handle: Handle) -> bool:
        most = self._keys.items
        return isinstance(most, int) and handle.worker.taken >= most

    def _is_large(self, handle: Handle) -> bool:
        most = self._keys.memory_nbytes
        return isinstance(most, int) and resident_nbytes(handle) >= most

    def _end(self, handle: Handle) -> None:
        """Ask it to end, once it has nothing in hand; it is replaced when it has."""
        if handle.worker.load or handle in self._asked:
            return
        self._asked.add(handle)
        handle.ended_by = ""  # nothing of it is to blame
        handle.since = self._workers.now  # it has `timeout` to close its stages
        handle.outgoing.append(pack(*record(STOP)))
        handle.write()


def resident_nbytes(handle: Handle) -> int:
    """The resident size of a worker without what it shares, so without the arena; 0 where it cannot be told."""
    assert handle.process is not None
    try:
        with open(f"/proc/{handle.process.pid}/statm", encoding="ascii") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * resource.getpagesize()
