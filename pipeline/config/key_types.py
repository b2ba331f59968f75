"""Types of the engine's keys that are not plain: what is wanted in words, how it is read, its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ..errors import UsageError
from ..transport.records import CREDIT, MAX_CREDIT

_MAX_CORE = 4095
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%")


class Version(int):
    """Of the form of a config. A ParameterType."""

    __slots__ = ()
    wants: ClassVar[str] = "the number 1"
    schema: ClassVar[Mapping[str, Any]] = {"const": 1}

    @classmethod
    def read(cls, value: Any) -> Self:
        """The version. Raises ValueError for what is not a whole number, UsageError for another one than 1."""
        if type(value) is not int:
            raise ValueError(f"{value!r} is not a version")
        if value != 1:
            remedy = "a newer pipeline may know it" if value > 1 else None
            raise UsageError(f"version {value} is not known", limit="wants 1", remedy=remedy)
        return cls(value)


class Name(str):
    """What the command line can address: a group or a stage. A ParameterType."""

    __slots__ = ()
    wants: ClassVar[str] = "text"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": f"^{_NAME.pattern}$"}

    @classmethod
    def read(cls, value: Any) -> Self:
        """The name. Raises ValueError for what is not text, UsageError for text that is not a name."""
        if not isinstance(value, str) or not value:
            raise ValueError(f"{value!r} is not a name")
        if not _NAME.fullmatch(value):
            raise UsageError(f"the name '{value}' cannot be addressed", limit="wants letters, digits, - and _")
        return cls(value)


class Reference(str):
    """A component: its name, `./file.py:Class` or `package.module:Class`. A ParameterType."""

    __slots__ = ()
    wants: ClassVar[str] = "text"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "minLength": 1}

    @classmethod
    def read(cls, value: Any) -> Self:
        """The reference, not looked up. Raises ValueError for what is not text."""
        if not isinstance(value, str) or not value:
            raise ValueError(f"{value!r} is not a reference")
        return cls(value)


@dataclass(frozen=True, slots=True)
class Credit:
    """Frames in hand at each worker of a group: at first, and at most while they are short. A ParameterType."""

    first: int = CREDIT
    most: int = MAX_CREDIT

    wants: ClassVar[str] = f"a whole number from 1 to {MAX_CREDIT}, or auto"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_CREDIT}, {"const": "auto"}]
    }

    @classmethod
    def read(cls, value: Any) -> Self:
        """The credit that a number or `auto` stands for. Raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if value == "auto":
            return cls()
        if type(value) is not int or not 1 <= value <= MAX_CREDIT:
            raise ValueError(f"{value!r} is not a credit")
        return cls(value, value)

    def __str__(self) -> str:
        return "auto" if self == Credit() else f"{self.first}"


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many items may fail: a number, a share of the finished ones, or (both None) any. A ParameterType."""

    count: int | None = None
    share: float | None = None

    wants: ClassVar[str] = "a number, a share such as 5%, or none"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^([0-9]{1,3}(\.[0-9]+)?\s*%|none)$"},
        ]
    }

    @classmethod
    def read(cls, value: Any) -> Self:
        """What a number, "5%" or "none" stands for. Raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if value == "none":
            return cls()
        if type(value) is int and value >= 0:
            return cls(count=value)
        match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        if match is None or float(match[1]) > 100:
            raise ValueError(f"{value!r} is not a number of failures")
        return cls(share=float(match[1]) / 100)

    def __str__(self) -> str:
        if self.count is not None:
            return f"{self.count}"
        return "none" if self.share is None else f"{100 * self.share:g}%"


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores that a config names, in its order; None where it leaves them to the plan. A ParameterType."""

    named: tuple[int, ...] | None = None
    auto: bool = True

    wants: ClassVar[str] = '[0, 1], "0-3", auto or none'
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            {"type": "string", "pattern": r"^(auto|none|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)$"},
        ]
    }

    @classmethod
    def read(cls, value: Any) -> Self:
        """The cores of a list, a text or a word. Raises ValueError, or UsageError with what is wrong, for others."""
        if isinstance(value, cls):
            return value
        if value in (None, "auto", "none"):
            return cls(auto=value != "none")
        if isinstance(value, list) and value and all(type(core) is int for core in value):
            return cls(tuple(value), auto=False)
        if type(value) is int:
            raise UsageError(f"cores is {value}", limit=f"wants {cls.wants}", remedy=f"write [{value}] for one core")
        if type(value) is not str:
            raise ValueError(f"{value!r} names no cores")
        try:
            return cls(parse_cores(value), auto=False)
        except UsageError as error:
            raise UsageError(error.what, limit=error.limit, remedy=f"wants {cls.wants}") from error

    def __str__(self) -> str:
        return ("auto" if self.auto else "none") if self.named is None else ",".join(map(str, self.named))


def parse_cores(text: str) -> tuple[int, ...]:
    """The cores that "0-3,6" names, sorted.

    Raises:
        UsageError: not of this form, or a range that runs backwards.
    """
    cores: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_core(first) or (dash and not _is_core(last)):
            raise UsageError(f"'{text}' names no cores", limit="want a list such as 0-3,6")
        if dash and int(last) < int(first):
            raise UsageError(f"the range {part.strip()} runs backwards", limit=f"want {last}-{first}")
        cores.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cores))


def _is_core(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= _MAX_CORE
