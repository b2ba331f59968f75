"""Types of parameters that a config writes as text: what is wanted in words, how it is read, its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

_HEX = re.compile("#([0-9a-fA-F]{2}){3,4}")


class ParameterType(Protocol):
    """What a class has that may be the type of a parameter beside int, float, str, bool, Literal, list and tuple.

    Class constants:
        wants: a value of it in words, for messages and pages: "a colour such as #ffcc00".
        schema: JSON Schema of what the config writes.
    """

    wants: ClassVar[str]
    schema: ClassVar[Mapping[str, Any]]

    @classmethod
    def read(cls, value: Any) -> Self:
        """The value that a config's text or number stands for; one of this class is returned as it is.

        Raises:
            ValueError: it is no such value.
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


def is_parameter_type(hint: Any) -> bool:
    """Whether the type of a field is a ParameterType."""
    return isinstance(hint, type) and hasattr(hint, "wants") and hasattr(hint, "read") and hasattr(hint, "schema")
