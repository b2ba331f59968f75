"""The errors of the project: each says what happened, where, the limit and the remedy, and carries an exit code.

Every class is also the fitting builtin, so that a caller who knows nothing of us can still catch it.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the commands; part of the user's contract."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    STOPPED = 3
    ENVIRONMENT = 4
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class PipelineError(Exception):
    """What happened, and optionally where, which limit it met and what to do about it.

    Args:
        what: one sentence without a full stop.
        where: file:line:col, item or stage.
        limit: the bound that was met, with its unit.
        remedy: what the reader of the message can do.
    """

    exit_code: Exit = Exit.INTERNAL

    def __init__(
        self, what: str, *, where: str | None = None, limit: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.limit, self.remedy = what, where, limit, remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return "; ".join(part for part in (head, self.limit, self.remedy) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.limit, self.remedy))


def _rebuild(
    cls: type[PipelineError], what: str, where: str | None, limit: str | None, remedy: str | None
) -> PipelineError:
    return cls(what, where=where, limit=limit, remedy=remedy)


class UsageError(PipelineError, ValueError):
    """A command line, config or input that asks for something that cannot be; nothing was started."""

    exit_code = Exit.USAGE


class SpecError(PipelineError, ValueError):
    """A stage was given a Spec that it does not take."""

    exit_code = Exit.USAGE


class ItemError(PipelineError, ValueError):
    """One item cannot be processed (bad data, refused by a limit, name collision); the run goes on."""

    exit_code = Exit.SOME_FAILED


class MissingCodec(ItemError):
    """The bytes belong to no format that is installed."""


class StopRun(PipelineError, RuntimeError):
    """The run ends before its items do: failure budget exceeded, or a group that cannot start."""

    exit_code = Exit.STOPPED


class EnvironmentRefusal(PipelineError, OSError):
    """The machine does not allow it: memory, disk full, missing library."""

    exit_code = Exit.ENVIRONMENT


class Stall(PipelineError, TimeoutError):
    """No frame moved for longer than the stall timeout; a defect of ours or of a stage, said loudly."""

    exit_code = Exit.INTERNAL


TRANSIENT = frozenset(
    (errno.EAGAIN, errno.EINTR, errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EBUSY)
)
DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def words_of(error: BaseException) -> str:
    """What went wrong, in words; the class name only where it is not one of ours."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return f"{type(error).__name__}: {error}"


def one_line(error: BaseException) -> str:
    """The same in one line of at most 2000 characters."""
    return " ".join(words_of(error).split())[:2000]


def kind_of(error: BaseException) -> str:
    """The kind of failure in one word, for the report."""
    for cls, kind in (
        (SpecError, "spec"), (MissingCodec, "format"), (ItemError, "input"), (FileNotFoundError, "vanished"),
        (PermissionError, "permission"), (MemoryError, "memory"), (OSError, "io"),
    ):  # fmt: skip
        if isinstance(error, cls):
            return kind
    return "error"
