"""Whether an item must be done again, and why: decided from what was and what is. Pure.

The intake asks it for every item that does not look untouched, and `why` for one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ..contracts.stamp import Stamp
from .tables import DONE, FAILED, QUARANTINED, SKIPPED, ItemRow
from .versions import versions

BATCH = 256  # items that the intake looks up at a time; 2 us each, a query of its own would take 4
UNSURE = -1  # size of an input that may have changed once more without a sign of it
REPLACE, REFUSE, LEAVE = "replace", "refuse", "leave"


class OnDisk(NamedTuple):
    """An output as it lies there: size in bytes, time of its last change."""

    size: int
    mtime_ns: int


Outputs = tuple[OnDisk | None, ...]


class Verdict(NamedTuple):
    """What becomes of an item.

    Attributes:
        outcome: a name of the ledger's counts where nothing is done; "" where the item is to be done.
        reason: in a few words, the same for items of the same kind; counted in reports.
        detail: what differs, old -> new.
    """

    outcome: str
    reason: str
    detail: str = ""


UP_TO_DATE = Verdict("up_to_date", "up to date")
IGNORED = Verdict("ignored", "did not fail the last time")
CHAIN = Verdict("", "the chain changed")
NEW = Verdict("", "new")
SKIPPED_BEFORE = Verdict("skipped", "skipped the last time")
QUARANTINED_BEFORE = Verdict("quarantined", "quarantined the last time")
FRESH = Verdict("", "asked to do all again (--fresh)")
REASON_OF = {FAILED: "failed the last time", QUARANTINED: "quarantined the last time"}


def judge(
    row: ItemRow | None, stamp: Stamp | None, chain: int, outputs: Outputs | None, parts: tuple[OnDisk, ...] = (), *,
    content: bool = False,
) -> Verdict:  # fmt: skip
    """What becomes of one item.

    Args:
        row: what the journal knows of it; None where it knows nothing.
        stamp: of the input now; None where that cannot be told.
        chain: number of the resolved chain now.
        outputs: what lies now where the outputs were left, None for one that is missing; None where nobody looked.
        parts: how the outputs were left, for an item that has several.
        content: whether equal content is enough (`--checksum`).
    """
    if row is None:
        return NEW
    changed = next(changes(row, stamp, chain, outputs, parts, content=content), None)
    if changed is not None:
        return changed
    if row.outcome == SKIPPED:
        return SKIPPED_BEFORE
    if row.outcome == QUARANTINED:
        return QUARANTINED_BEFORE
    return UP_TO_DATE if row.outcome == DONE else Verdict("", REASON_OF[FAILED])


def changes(
    row: ItemRow, stamp: Stamp | None, chain: int, outputs: Outputs | None, parts: tuple[OnDisk, ...] = (), *,
    content: bool = False,
) -> Iterator[Verdict]:  # fmt: skip
    """All that is not as it was the last time; arguments as of `judge`."""
    if stamp is None:
        yield Verdict("", "its input cannot be known again")
    elif (changed := _input(row, stamp, content=content)) is not None:
        yield changed
    if row.chain != chain:
        yield CHAIN
    if row.outcome == QUARANTINED and (libraries := _libraries(row)):
        yield Verdict("", "quarantined the last time, and a library changed", libraries)
    if row.outcome == DONE:
        left = parts if row.parts >= 0 else (OnDisk(row.output_size, row.output_mtime_ns),)
        if row.parts >= 0 and len(parts) != row.parts:
            yield Verdict("", "not all of its outputs are known")
        elif outputs is not None and (changed := _outputs(left, outputs)) is not None:
            yield changed


def _libraries(row: ItemRow) -> str:
    """Which libraries are others than when the item ended its workers, or hung: it may do so no more."""
    was, now = json.loads(row.cause or "{}").get("versions", {}), versions()
    names = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    return ", ".join(f"{name} {was.get(name)} -> {now.get(name)}" for name in names)


def _input(row: ItemRow, now: Stamp, *, content: bool) -> Verdict | None:
    """Why the input is another one; None where it is the same."""
    if row.size == UNSURE:
        return Verdict("", "the input changed while it was found")
    digest = row.digest or b""
    if content and digest and now.digest:
        return None if digest == now.digest else Verdict("", "the input changed", "its content is another")
    if row.size != now.size:
        return Verdict("", "the input changed", f"size {row.size} -> {now.size} bytes")
    if row.mtime_ns != now.mtime_ns:
        return Verdict(
            "", "the input changed", f"time of its last change {_time(row.mtime_ns)} -> {_time(now.mtime_ns)}"
        )
    if digest and now.digest and digest != now.digest:
        return Verdict("", "the input changed", "what it is made of changed")
    return None


def _outputs(left: tuple[OnDisk, ...], now: Outputs) -> Verdict | None:
    """Why the outputs are not as we left them; None where they are."""
    if now == left:
        return None
    for was, found in zip(left, now, strict=True):
        if found is None:
            return Verdict("", "the output is missing")
        if found.size != was.size:
            return Verdict("", "the output changed", f"size {was.size} -> {found.size} bytes")
        if found.mtime_ns != was.mtime_ns:
            times = f"time of its last change {_time(was.mtime_ns)} -> {_time(found.mtime_ns)}"
            return Verdict("", "the output changed", times)
    return None


def may_replace(policy: str, *, own: bool, output_ns: int, input_ns: int | None) -> str:
    """REPLACE, REFUSE or LEAVE an output that is there already and not up to date.

    Args:
        policy: `overwrite` of the writer.
        own: whether this journal has claimed or written it.
        output_ns, input_ns: when output and input were last changed.
    """
    if policy == "always" or (policy == "own" and own):
        return REPLACE
    if policy == "own":
        return REFUSE
    if policy == "older" and input_ns is not None and output_ns < input_ns:
        return REPLACE
    return LEAVE


def is_racy(mtime_ns: int, now_ns: int) -> bool:
    """Whether a file may change once more and keep its time: it was changed within the grain of the file system.

    The grain is a tick of the kernel (10 ms at most), and 2 s where times are whole seconds (FAT, old ext3, HFS+).
    """
    grain = 2_000_000_000 if mtime_ns % 1_000_000_000 == 0 else 10_000_000
    return abs(now_ns - mtime_ns) < grain


def _time(ns: int) -> str:
    from time import localtime, strftime

    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{strftime('%Y-%m-%d %H:%M:%S', localtime(seconds))}.{rest:09d}".rstrip("0").rstrip(".")
