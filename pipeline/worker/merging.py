"""Merging what reducers gave, and their files: in a process of its own after a run, or in that of a serial run.

The parent hands over a plan and then packed partials, in item order; names and bytes of files come back. This process
is confined as workers are: what it reads of it came from decoders.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

from ..contracts.reducer import Partial, Reducer
from ..errors import one_line
from ..plan.confinement import confinement_of_reducing
from ..plan.model import Plan
from ..transport.partial_code import unpack
from . import end_with_parent

LENGTH = struct.Struct("<Q")


class ResultFile(NamedTuple):
    """One file of a result.

    Attributes:
        reducer: its place among the reducers of the plan. name: below its folder.
    """

    reducer: int
    name: str
    data: bytes


def reduced(plan: Plan, given: Iterable[bytes]) -> Iterator[ResultFile]:
    """The files of all reducers. Raises whatever a reducer raises."""
    reducers: list[Reducer] = [stage.build() for stage in plan.reducers]
    for reducer in reducers:
        reducer.open()
    totals: list[list[Partial]] = [[] for _ in reducers]
    for data in given:
        for place, _, partial in unpack(data):
            total = totals[place]
            total[:] = [reducers[place].merge(total[0], partial) if total else partial]
    for place, reducer in enumerate(reducers):
        if totals[place]:
            for name, content in reducer.finish(totals[place][0]):
                yield ResultFile(place, name, bytes(content))
        reducer.close()


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Blocks with their length before them, until one of none."""
    while True:
        (length,) = LENGTH.unpack(_read(file, LENGTH.size))
        if not length:
            return
        yield _read(file, length)


def put(write: Callable[[bytes], object], data: bytes) -> None:
    """A block with its length before it."""
    write(LENGTH.pack(len(data)))
    write(data)


def _read(file: IO[bytes], length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise EOFError("the other process is gone")
    return data


def main() -> None:
    """The process: a plan and partials on standard input; files, or what went wrong, on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(os.getppid(), name="pl-reducing")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a reducer prints must not mix with its files
    given = blocks(sys.stdin.buffer)
    plan: Plan = pickle.loads(next(given))  # noqa: S301 - from our parent
    try:
        rules = confinement_of_reducing(plan)
        if rules is not None:
            from . import sandbox

            sandbox.apply(rules)
        for file in reduced(plan, given):
            put(out.write, f"{file.reducer}\0{file.name}".encode("utf-8", "surrogateescape"))
            put(out.write, b"=" + file.data)
    except BaseException as error:  # whatever a reducer of the user does; the parent tells it
        put(out.write, b"\0" + one_line(error).encode("utf-8", "backslashreplace"))
        for _ in given:
            pass  # else the parent would hear of a broken pipe, and not of this
    out.write(LENGTH.pack(0))
    out.flush()


if __name__ == "__main__":
    main()
