"""The properties of a frame as bytes in the header of its region, derived from their one declaration.

A value is its struct code; one that may be None has a flag before it; tuples and NamedTuples are their members in turn.
Written by the worker that made the frame, read by those it goes to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..contracts.properties import USUAL, Properties
from .records import HEADER_NBYTES

_CODES = {int: "q", bool: "?", float: "d"}
_NAMES = tuple(USUAL)
_values: Callable[[Properties], tuple[Any, ...]] = attrgetter(*_NAMES)
_USUAL = tuple(USUAL.values())


@dataclass(frozen=True, slots=True)
class _Type:
    """How a value of one type is told in plain numbers: its struct codes, to them and back from them."""

    codes: str
    flat: Callable[[Any], Iterator[Any]]
    read: Callable[[Iterator[Any]], Any]


def _plain(hint: type) -> _Type:
    return _Type(_CODES[hint], lambda value: iter((value,)), next)


def _members(kind: Any, hints: tuple[Any, ...]) -> _Type:
    parts = [_type(hint) for hint in hints]
    make = kind._make if hasattr(kind, "_make") else tuple

    def flat(value: Any) -> Iterator[Any]:
        for part, member in zip(parts, value, strict=True):
            yield from part.flat(member)

    return _Type("".join(part.codes for part in parts), flat, lambda told: make([part.read(told) for part in parts]))


def _optional(hint: Any) -> _Type:
    inner = _type(hint)
    nothing = struct.Struct("<" + inner.codes)
    blank = nothing.unpack(bytes(nothing.size))

    def flat(value: Any) -> Iterator[Any]:
        yield value is not None
        yield from blank if value is None else inner.flat(value)

    def read(told: Iterator[Any]) -> Any:
        there = next(told)
        value = inner.read(told)
        return value if there else None

    return _Type("?" + inner.codes, flat, read)


def _type(hint: Any) -> _Type:
    options = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (option for option in options if option is not NoneType)
        return _optional(inner)
    if get_origin(hint) is tuple:
        return _members(tuple, options)
    if hasattr(hint, "_fields"):
        return _members(hint, tuple(get_type_hints(hint)[name] for name in hint._fields))
    return _plain(hint)


_hints = get_type_hints(Properties)
_ALL = _members(tuple, tuple(_hints[name] for name in _NAMES))
_BLOCKS = 6  # of the metadata
_STRUCT = struct.Struct(f"<{_ALL.codes}{_BLOCKS}I")  # and the lengths of its blocks
assert _STRUCT.size <= HEADER_NBYTES, _STRUCT.size
Lengths = tuple[int, ...]


def are_usual(properties: Properties) -> bool:
    """Whether it says nothing that a reader of the region would not take for granted."""
    return _values(properties) == _USUAL


def pack_properties(memory: memoryview, offset: int, properties: Properties, lengths: Lengths) -> None:
    """Write them, and how long the blocks of the metadata are, into the header of a region at this offset."""
    _STRUCT.pack_into(memory, offset, *_ALL.flat(_values(properties)), *lengths)


def unpack_properties(memory: memoryview, offset: int, properties: Properties) -> Lengths:
    """Read what `pack_properties` wrote into `properties`; the lengths of the metadata's blocks."""
    told = iter(_STRUCT.unpack_from(memory, offset))
    for name, value in zip(_NAMES, _ALL.read(told), strict=True):
        setattr(properties, name, value)
    return tuple(told)
