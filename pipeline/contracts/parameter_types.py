"""Types of parameters that a config writes as text: what is wanted in words, how it is read, its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

_HEX = re.compile("#([0-9a-fA-F]{2}){3,4}")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]+)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_NBYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_NBYTES |= {"k": 1024, "m": 1024**2, "g": 1024**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4}
_NBYTES_SHOWN = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
MAX_NBYTES = 1 << 50  # of any size; beyond it is a slip


class ParameterType(Protocol):
    """What a class has that may be the type of a parameter beside int, float, str, bool, Literal, list and tuple.

    Class constants:
        wants: a value of it in words, for messages and pages: "a colour such as #ffcc00".
        schema: JSON Schema of what the config writes. Where its type is "string", `--set` hands the raw text over.

    A class that is also an int or a float takes the bounds of a field's metadata.
    """

    wants: ClassVar[str]
    schema: ClassVar[Mapping[str, Any]]

    @classmethod
    def read(cls, value: Any) -> Self:
        """The value that a config's text or number stands for; one of this class is returned as it is.

        Raises:
            ValueError: it is no such value. A UsageError, which is one, says what is wrong in its own words.
        """

    def __str__(self) -> str:
        """As a config writes it."""


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour of sRGB, each part from 0 to 255; `alpha` 0 is transparent. A ParameterType: `#rrggbb`, `#rrggbbaa`."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    wants: ClassVar[str] = "a colour such as #ffcc00, or #ffcc0080 with its alpha"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": "^#([0-9a-fA-F]{2}){3,4}$"}

    @classmethod
    def read(cls, value: Any) -> Self:
        """The colour that "#rrggbb" or "#rrggbbaa" stands for. Raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise ValueError(f"{value!r} is not a valid colour")
        return cls(*bytes.fromhex(value[1:]))

    def __str__(self) -> str:
        parts = (self.red, self.green, self.blue, self.alpha)
        return "#" + bytes(parts if self.alpha != 255 else parts[:3]).hex()

    @property
    def luma(self) -> int:
        """A thousand times its luma by Rec. ITU-R BT.601-7, 2.5.1: from 0 to 255,000; what gray pictures get of it."""
        return 299 * self.red + 587 * self.green + 114 * self.blue


class Nbytes(int):
    """A number of bytes. A ParameterType: `512MB`, `2GiB`, or a whole number."""

    __slots__ = ()
    wants: ClassVar[str] = "a size such as 512MB or 2GiB"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[0-9.]+\s*([kKmMgGtT][iI]?[bB]|[kKmMgGbB])$"},
        ]
    }

    @classmethod
    def read(cls, value: Any) -> Self:
        """The bytes that a size stands for. Raises ValueError for anything else, and for less than a byte."""
        found = _amount(value, _NBYTES)
        if not 1 <= found <= MAX_NBYTES:
            raise ValueError(f"{value!r} is not a size")
        return cls(found)

    def __str__(self) -> str:
        name, unit = next((name, unit) for name, unit in _NBYTES_SHOWN if not self % unit)
        return f"{int(self) // unit}{name}"


class Duration(float):
    """A time in seconds. A ParameterType: `30s`, `500ms`, or a number of seconds."""

    __slots__ = ()
    wants: ClassVar[str] = "a time such as 30s or 2m"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": r"^[0-9.]+\s*([mM]?[sS]|[mMhH])$"},
        ]
    }

    @classmethod
    def read(cls, value: Any) -> Self:
        """The seconds that a time stands for. Raises ValueError for anything else."""
        return cls(_amount(value, _SECONDS))

    def __str__(self) -> str:
        name = next((name for name in ("h", "m", "s") if self >= _SECONDS[name] and not self % _SECONDS[name]), "ms")
        return f"{self / _SECONDS[name]:g}{name}"


def _amount(value: Any, units: Mapping[str, float]) -> float:
    """A number with one of these units, or a plain number that is finite. Raises ValueError for anything else."""
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[2].lower() in units:
        return float(match[1]) * units[match[2].lower()]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MAX_NBYTES <= value <= MAX_NBYTES:
        raise ValueError(f"{value!r} is not an amount")
    return float(value)


def is_parameter_type(hint: Any) -> bool:
    """Whether the type of a field is a ParameterType."""
    return isinstance(hint, type) and hasattr(hint, "wants") and hasattr(hint, "read") and hasattr(hint, "schema")
