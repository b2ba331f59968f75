"""Records in and out of a worker, and waiting for what the parent lends."""

from __future__ import annotations

import gc
import os
import resource
import select
import time
from collections import deque

from ..contracts.contexts import Skip
from ..errors import DISK_FULL, TRANSIENT
from ..plan.chain import StageError
from ..plan.machine import peak_nbytes
from ..transport.arena import map_arena
from ..transport.control_block import Control
from ..transport.records import (
    ALIVE,
    ASSIGN,
    BYE,
    CLAIM,
    CLAIMED,
    EMIT,
    FAILED,
    FINISH,
    FLAGS,
    FULL,
    GRANT,
    GRANTED,
    KIND,
    LEASE,
    MAX_CREDIT,
    MOST_US,
    NEED,
    NO_SPEC,
    PARTIALS,
    READY,
    RECORD_NBYTES,
    REFUSE,
    REMARKS,
    SKIPPED,
    SLOT,
    STOP,
    VOID,
    Record,
    Region,
    iter_unpack,
    pack,
    region_of,
    units,
    without,
)  # fmt: skip
from ..transport.records import TRANSIENT as MAY_PASS
from ..transport.records import record as make
from . import Boot
from .causes import Cancelled, Refused, cause_of
from .printing import mark_lines
from .work import Work
from .works import work_of

HOLD_NS = 1_000_000  # a result may wait for the next one only if that is expected sooner than this
ALIVE_NS = 200_000_000
READ_NBYTES = MAX_CREDIT * RECORD_NBYTES


class WorkerLoop:
    """One worker's life: Ready, leases one after the other, Bye."""

    def __init__(self, boot: Boot, arena: int, commands: int, results: int, held: int = 0) -> None:
        self.boot = boot
        self.held = held  # bits of what confines this process
        self.commands = commands
        self.results = results
        self.map = map_arena(arena, boot.arena_nbytes)
        os.close(arena)
        group = boot.plan.groups[boot.group]
        room = boot.plan.partial_nbytes if group.writes else 0
        self.control = Control(self.map, boot.control, group.queue.credit.most, room)
        self.inbox: deque[Record] = deque()
        self.more = select.poll()
        self.more.register(commands, select.POLLIN)
        self.outbox: list[bytes] = []
        self.remarks: list[str] = []
        self.partials = b""  # what reducers gave of the lease in work; goes with its answer
        self.lease = self.slot = self.said_ns = 0
        self.control.run(0, boot.plan.number_of(boot.group, 0))
        self.printed = mark_lines(2, lambda: self.control.running()[1])
        self.work: Work = work_of(boot, self)

    def run(self) -> None:
        """Until Stop, or until the parent is gone."""
        self.work.open()
        gc.freeze()  # libraries and stages stay: the collector need not look at them again for every few hundred frames
        self.send(READY, nth=self.held, extents=(*self.work.fixed_extents(), 0))
        self.flush()
        inbox = self.inbox
        while True:
            if not inbox:
                self.flush()
                self.receive()
            elif self.work.ahead is not None and self.more.poll(0):
                self.receive()  # else the threads would have nothing to fetch until all that came is done
            record = inbox.popleft()
            kind = record[KIND]
            if kind in (ASSIGN, FINISH):
                self._carry_out(record)
            elif kind == STOP:
                break
            # A Grant or Refuse that comes after its lease ended needs no answer: Done returned what was lent.
        self.work.close()
        if self.work.ahead is not None:
            self.work.ahead.close()
        self.printed.end()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_us = int((usage.ru_utime + usage.ru_stime) * 1e6)
        self.send(BYE, offset=cpu_us, extra=peak_nbytes() >> 10)
        self.flush()

    def _carry_out(self, record: Record) -> None:
        self.slot, self.lease = record[SLOT], record[LEASE]
        self.remarks.clear()
        self.partials = b""
        began = time.perf_counter_ns()
        try:
            self.work.finish(record) if record[KIND] == FINISH else self.work.carry_out(record)
        except StageError as error:
            self._report(error.label, error.cause)
        except BaseException as error:
            self._report(self.work.label, error)
        if self.work.ahead is not None:
            self.work.ahead.end(self.lease)
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

    def _report(self, label: str, error: BaseException) -> None:
        """Answer a lease whose stage raised, in words."""
        flags = 0
        if isinstance(error, OSError):
            flags |= MAY_PASS if error.errno in TRANSIENT else 0
            flags |= FULL if error.errno in DISK_FULL and self.work.writes else 0
        self.control.put_text(self.slot, *cause_of(label, error, self.boot.plan).as_parts())
        self.send(SKIPPED if isinstance(error, Skip) else FAILED, flags=flags)

    # ---- records -----------------------------------------------------------------------------------------------

    def send(
        self, kind: int, *, flags: int = 0, offset: int = 0, extents: tuple[int, int, int] = (0, 0, 0), nth: int = 0,
        extra: int = 0,
    ) -> None:  # fmt: skip
        """Queue a record about the lease in work; it leaves with the next flush."""
        said = make(kind, flags, self.slot, self.lease, nth=nth, offset=offset, extents=extents, extra=extra)
        self.outbox.append(pack(*said))

    def answer(
        self, kind: int, flags: int = 0, *, nth: int = 0, nbytes: int = 0, spec: bytes = NO_SPEC, busy_us: int = 0,
        extra: int = 0,
    ) -> None:  # fmt: skip
        """Queue an Emit, Done or Ended: the hot path, so its fields are packed in their order, without a call."""
        if self.partials:
            self.control.put_partial(self.slot, self.partials)
            self.partials, flags = b"", flags | PARTIALS
        if self.remarks and kind != EMIT:
            self.control.put_text(self.slot, *dict.fromkeys(self.remarks))
            flags |= REMARKS
        busy_us = min(busy_us, MOST_US)
        self.outbox.append(pack(kind, flags, self.slot, self.lease, nth, nbytes, 0, 0, 0, spec, busy_us, extra))

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
        records = tuple(iter_unpack(data))
        self.inbox.extend(records)
        if (ahead := self.work.ahead) is not None:
            for record in records:
                if record[KIND] == ASSIGN:
                    ahead.begin(record[LEASE], self.control.job(record[SLOT])[0])

    def _reply(self) -> Record:
        """The next record about the lease in work; others are kept for later."""
        self.flush()
        kept: list[Record] = []
        while True:
            while self.inbox:
                record = self.inbox.popleft()
                if record[LEASE] == self.lease and record[KIND] in (GRANT, REFUSE, CLAIMED):
                    if record[FLAGS] & VOID:  # what these lent was taken back, so that it was not held while we waited
                        kept = [without(GRANTED, other) if other[KIND] == ASSIGN else other for other in kept]
                    self.inbox.extendleft(reversed(kept))
                    if record[KIND] == REFUSE:
                        raise _refusal(*self.control.text(self.slot)[:2])
                    return record
                kept.append(record)
            self.receive()

    def ask_memory(self, extents: tuple[int, int, int], span: int, *, flags: int = 0, slots: int = 0) -> None:
        """Ask for regions of `span` bytes with these extents."""
        self.send(NEED, flags=flags, extents=extents, nth=slots, extra=units(span))

    def granted(self) -> Region:
        """Wait for a Grant: the region. Raises Refused or Cancelled."""
        return region_of(self._reply())

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


def _refusal(why: str, kind: str = "refused") -> Exception:
    """What the parent's answer means to the item."""
    if why == "cancelled":
        return Cancelled(why)
    return Skip(why) if kind == "skip" else Refused(why, kind)
