"""Records in and out of a worker, and waiting for what the parent lends."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections import deque

from ..arena import map_arena
from ..chain import StageError
from ..control import Control
from ..errors import DISK_FULL, TRANSIENT, kind_of, one_line
from ..messages import (
    ALIVE,
    ASSIGN,
    BYE,
    CLAIM,
    CLAIMED,
    DONE,
    FAILED,
    FINISH,
    FULL,
    GRANT,
    GRANTED,
    NEED,
    NO_SPEC,
    READY,
    REFUSE,
    REMARKS,
    SKIPPED,
    STOP,
    UNIT,
    VOID,
    Record,
    iter_unpack,
    pack,
)  # fmt: skip
from ..messages import TRANSIENT as MAY_PASS
from ..plan import MAX_CREDIT, RECORD_NBYTES
from ..stage import Skip
from . import Boot
from .role import Cancelled, Refused, Role
from .roles import make_role

HOLD_NS = 1_000_000  # a result may wait for the next one only if that is expected sooner than this
ALIVE_NS = 200_000_000
READ_NBYTES = MAX_CREDIT * RECORD_NBYTES


class Loop:
    """One worker's life: Ready, leases one after the other, Bye."""

    def __init__(self, boot: Boot, arena: int, commands: int, results: int) -> None:
        self.boot = boot
        self.commands = commands
        self.results = results
        self.map = map_arena(arena, boot.arena_nbytes)
        os.close(arena)
        self.control = Control(self.map, boot.control, boot.plan.groups[boot.group].queue.most_credit)
        self.inbox: deque[tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]] = deque()
        self.outbox: list[bytes] = []
        self.remarks: list[str] = []
        self.lease = self.slot = self.said_ns = 0
        self.role: Role = make_role(boot, self)

    def run(self) -> None:
        """Until Stop, or until the parent is gone."""
        self.role.open()
        gc.freeze()  # libraries and stages stay: the collector need not look at them again for every few hundred frames
        a, b = self.role.fixed_extents()
        self.send(READY, a=a, b=b)
        self.flush()
        inbox = self.inbox
        while True:
            if not inbox:
                self.flush()
                self.receive()
            record = inbox.popleft()
            kind = record[0]
            if kind in (ASSIGN, FINISH):
                self._work(record)
            elif kind == STOP:
                break
            # A Grant or Refuse that comes after its lease ended needs no answer: Done returned what was lent.
        self.role.close()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_us = int((usage.ru_utime + usage.ru_stime) * 1e6)
        self.send(BYE, offset=cpu_us, extra=_peak_kbytes() or usage.ru_maxrss)
        self.flush()

    def _work(self, record: tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]) -> None:
        self.slot, self.lease = record[2], record[3]
        self.remarks.clear()
        began = time.perf_counter_ns()
        try:
            self.role.finish(record) if record[0] == FINISH else self.role.work(record)
        except StageError as error:
            self._report(error.label, error.cause)
        except (Cancelled, Refused) as error:
            self.fail(FAILED, 0, self.role.label, "refused", str(error))
        except BaseException as error:
            self._report(self.role.label, error)
        if self._should_flush(began):
            self.flush()

    def _should_flush(self, began: int) -> bool:
        """Whether to wake the parent now, or to let the next result come along.

        A wake-up costs more than all else that the parent does for a frame, so results of short leases travel in
        company: until half of what is in hand is done (the parent refills us while we work on the other half), or,
        where only two are in hand, until both are. Results of long leases leave at once.
        """
        waiting = len(self.inbox)
        if not waiting or time.perf_counter_ns() - began > HOLD_NS:
            return True
        return waiting <= len(self.outbox) > 1

    def _report(self, label: str, cause: BaseException) -> None:
        if isinstance(cause, Skip):
            self.fail(SKIPPED, 0, label, "skip", " ".join(str(cause).split()))
            return
        flags = 0
        if isinstance(cause, OSError):
            flags |= MAY_PASS if cause.errno in TRANSIENT else 0
            flags |= FULL if cause.errno in DISK_FULL and self.role.writes else 0
        self.fail(FAILED, flags, label, kind_of(cause), one_line(cause))

    # ---- records -----------------------------------------------------------------------------------------------

    def send(
        self, kind: int, *, flags: int = 0, offset: int = 0, a: int = 0, b: int = 0, m: int = 0, nth: int = 0,
        extra: int = 0,
    ) -> None:  # fmt: skip
        """Queue a record about the lease in work; it leaves with the next flush."""
        self.outbox.append(Record(kind, flags, self.slot, self.lease, nth, offset, a, b, m, NO_SPEC, 0, extra).pack())

    def answer(self, kind: int, flags: int, nth: int, offset: int, spec: bytes, busy_us: int, extra: int = 0) -> None:
        """Queue a Done or Emit: the hot path."""
        if self.remarks and kind == DONE:
            self.control.put_text(self.slot, *dict.fromkeys(self.remarks))
            flags |= REMARKS
        record = pack(kind, flags, self.slot, self.lease, nth, offset, 0, 0, 0, spec, min(busy_us, 0xFFFFFFFF), extra)
        self.outbox.append(record)

    def fail(self, kind: int, flags: int, label: str, what: str, why: str) -> None:
        """Queue an answer in words."""
        self.control.put_text(self.slot, label, what, why)
        self.send(kind, flags=flags)

    def flush(self) -> None:
        """Write what is queued, at most 512 bytes a write so that it is never torn."""
        outbox = self.outbox
        if len(outbox) == 1:
            os.write(self.results, outbox.pop())
        elif outbox:
            for start in range(0, len(outbox), MAX_CREDIT):
                os.write(self.results, b"".join(outbox[start : start + MAX_CREDIT]))
            outbox.clear()

    def receive(self) -> None:
        """Wait for records. End of file means that the parent is gone: then so are we, at once."""
        data = os.read(self.commands, READ_NBYTES)
        if not data:
            os._exit(1)
        self.inbox.extend(iter_unpack(data))

    def _reply(self) -> tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]:
        """The next record about the lease in work; others are kept for later."""
        self.flush()
        kept: list[tuple[int, int, int, int, int, int, int, int, int, bytes, int, int]] = []
        while True:
            while self.inbox:
                record = self.inbox.popleft()
                if record[3] == self.lease and record[0] in (GRANT, REFUSE, CLAIMED):
                    if record[1] & VOID:  # what these lent was taken back, lest it was held while we waited
                        kept = [(r[0], r[1] & ~GRANTED, *r[2:]) if r[0] == ASSIGN else r for r in kept]
                    self.inbox.extendleft(reversed(kept))
                    if record[0] == REFUSE:
                        why = self.control.text(self.slot)[0]
                        raise Cancelled(why) if why == "cancelled" else Refused(why)
                    return record
                kept.append(record)
            self.receive()

    def ask_memory(self, extents: tuple[int, int, int], span: int, *, flags: int = 0, slots: int = 0) -> None:
        """Ask for regions of `span` bytes with these extents."""
        a, b, m = extents
        self.send(NEED, flags=flags, a=a, b=b, m=m, nth=slots, extra=-(-span // UNIT))

    def granted(self) -> tuple[int, int, int, int]:
        """Wait for a Grant: offset and extents of the region. Raises Refused or Cancelled."""
        record = self._reply()
        return record[5], record[6], record[7], record[8]

    def alive(self) -> None:
        """Say that a long lease makes progress, at most a few times a second: its deadline begins anew."""
        now = time.perf_counter_ns()
        if now - self.said_ns > ALIVE_NS:
            self.said_ns = now
            self.send(ALIVE)
            self.flush()

    def claim(self, target: str) -> None:
        """Ask the parent for an output name that only the frame decided. Raises Refused when it is taken."""
        self.control.put_text(self.slot, target)
        self.send(CLAIM)
        self._reply()


def _peak_kbytes() -> int:
    """Largest resident size of this process; `ru_maxrss` would be the parent's, which outlives fork and exec."""
    try:
        with open("/proc/self/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0
