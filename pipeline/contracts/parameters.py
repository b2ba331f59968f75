"""The fields of a declared dataclass: how a config writes them, what they take in words, and whether a value is right.

Components declare their parameters and the engine its keys in the same way: `field(default=..., metadata={"ge": 1})`.
The registry, the reader of configs, the JSON Schema and the pages of docs/ ask here; a worker does not.

Metadata of a field: `ge`, `gt`, `le`, `lt` bound a number; `unit` and `doc` are for people; `key` is the name in a
config where it is not the field's; `required` asks a config for a key that has a default in Python; `follows` names the
section whose values are the defaults of this one; `pixels: False` says that no pixel depends on it (which inputs are
taken, where outputs go, how many threads), so that a journal does nothing again where it changed.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from .parameter_types import ParameterType, is_parameter_type

BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
_HOLDS: Mapping[str, Callable[[Any, Any], Any]] = {name: getattr(operator, name) for name in BOUNDS}
EXACT = 1 << 53  # whole numbers below it are floats without loss


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A field as configs and people see it.

    Attributes:
        name: as a config writes it.
        attribute: of the dataclass.
        hint: its type.
        metadata: range, unit, documentation.
        default: None where there is none.
        required: whether a config must say it.
    """

    name: str
    attribute: str
    hint: Any
    metadata: Mapping[str, Any]
    default: Any
    required: bool

    @property
    def wants(self) -> str:
        """Type and range in words."""
        return in_words(self.hint, self.metadata)

    @property
    def doc(self) -> str:
        return str(self.metadata.get("doc", ""))

    @property
    def shown_default(self) -> Any:
        """The default as plain data, for pages and schemas."""
        if not is_parameter_type(type(self.default)):
            return self.default
        text = str(self.default)
        return int(text) if isinstance(self.default, int) and text.isdigit() else text


def parameters(cls: type[Any]) -> tuple[Parameter, ...]:
    """The fields of a declared dataclass that a config may set, in their order; none for another class."""
    return _parameters(cast("Any", cls))


@cache
def _parameters(cls: Any) -> tuple[Parameter, ...]:
    if not dataclasses.is_dataclass(cls):
        return ()
    hints = get_type_hints(cls)
    return tuple(
        Parameter(
            name=str(field.metadata.get("key", field.name)),
            attribute=field.name,
            hint=hints[field.name],
            metadata=field.metadata,
            default=_default(field),
            required=bool(field.metadata.get("required")) or not _has_default(field),
        )
        for field in dataclasses.fields(cls)
        if field.init
    )


def holds_keys(hint: Any) -> bool:
    """Whether a field is a mapping with declared keys of its own."""
    return dataclasses.is_dataclass(hint) and not is_parameter_type(hint)


def takes_text(hint: Any) -> bool:
    """Whether all that a type takes is text, so that the command line hands it over as it is."""
    return all(
        option in (str, NoneType)
        or (is_parameter_type(option) and option.schema.get("type") == "string")
        or (get_origin(option) is Literal and all(isinstance(word, str) for word in get_args(option)))
        for option in _options(hint)
    )


def words_of(hint: Any) -> tuple[str, ...]:
    """The words among which a value, or an entry of a list, may be chosen, for a hint at the nearest one."""
    entries = (get_args(option)[0] for option in _options(hint) if get_origin(option) is tuple)
    literals = (option for option in (*_options(hint), *entries) if get_origin(option) is Literal)
    return tuple(word for option in literals for word in get_args(option) if isinstance(word, str))


def special_type(hint: Any) -> type[ParameterType] | None:
    """The ParameterType that is, or is among, what a field takes."""
    return next((option for option in _options(hint) if is_parameter_type(option)), None)


def shaped(value: Any, hint: Any) -> Any:
    """A list as a tuple where the field is one, text as a value of the field's ParameterType.

    What cannot be shaped comes back as it is: `is_right` says no to it.
    """
    special = special_type(hint)
    if special is not None:
        try:
            return special.read(value)
        except ValueError:
            return value
    wanted = next((option for option in _options(hint) if get_origin(option) is tuple), None)
    if wanted is None or not isinstance(value, list):
        return value
    inner = get_args(wanted)
    each = [inner[0]] * len(value) if inner[1:] == (Ellipsis,) else [*inner, *[None] * len(value)]
    return tuple(shaped(entry, of) for entry, of in zip(value, each, strict=False))


def all_right(cls: type[Any], values: Mapping[str, Any]) -> bool:
    """Whether shaped values are certainly right for a dataclass: none is unknown, missing, of another type or beyond.

    False says nothing yet: types that are not plain are left to pydantic.
    """
    known = {parameter.name: parameter for parameter in parameters(cls)}
    missing = any(each.required and name not in values for name, each in known.items())
    return not missing and all(
        name in known and is_right(value, known[name].hint, known[name].metadata) for name, value in values.items()
    )


def is_right(value: Any, hint: Any, metadata: Mapping[str, Any]) -> bool:
    """Whether one shaped value is certainly right: strict, so that true is no number and 1.0 not a whole one."""
    origin, options = get_origin(hint), get_args(hint)
    if hint in (int, float) or is_parameter_type(hint):
        return _is_of(value, hint) and _is_within(value, metadata)
    if hint in (str, bool, NoneType):
        return type(value) is hint
    if hint is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(option) and value == option for option in options)
    if origin in (Union, UnionType):
        return any(is_right(value, option, metadata) for option in options)
    if origin is list:
        return type(value) is list and all(is_right(entry, options[0], metadata) for entry in value)
    if origin is tuple:
        each = options[:1] * len(value) if options[1:] == (Ellipsis,) and type(value) is tuple else options
        return (
            type(value) is tuple
            and len(value) == len(each)
            and all(is_right(entry, of, metadata) for entry, of in zip(value, each, strict=True))
        )
    if origin is dict:
        return type(value) is dict and all(
            is_right(key, options[0], {}) and is_right(entry, options[1], {}) for key, entry in value.items()
        )
    return False


def _is_of(value: Any, hint: type[Any]) -> bool:
    if hint is float:
        return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < EXACT)
    return type(value) is int if hint is int else isinstance(value, hint)


def _is_within(value: Any, metadata: Mapping[str, Any]) -> bool:
    """Whether a number keeps the bounds; what is not a number has none."""
    if not isinstance(value, (int, float)):
        return True
    return all(_HOLDS[name](value, metadata[name]) for name in BOUNDS if name in metadata)


def in_words(hint: Any, metadata: Mapping[str, Any]) -> str:
    """What a type takes, with its range: "a whole number from 1 to 512, or auto"."""
    origin, options = get_origin(hint), get_args(hint)
    if is_parameter_type(hint):
        numbers = issubclass(hint, (int, float)) and any(name in metadata for name in BOUNDS)
        return f"{hint.wants}, {_range(metadata, lambda bound: str(hint(bound)))}" if numbers else str(hint.wants)
    if origin is Literal:
        return str(options[0]) if len(options) == 1 else "one of " + ", ".join(map(str, options))
    if origin in (Union, UnionType):
        return "".join(
            f"{_joint(option) if index else ''}{in_words(option, metadata)}" for index, option in enumerate(options)
        )
    if origin is list or (origin is tuple and options[-1:] == (Ellipsis,)):
        return "a list of " + in_words(options[0], metadata).removeprefix("a ")
    if origin is tuple:
        return "a list of " + ", ".join(in_words(option, metadata) for option in options)
    if origin is dict:
        return "names with " + in_words(options[1], metadata)
    if holds_keys(hint):
        return "keys and values"
    text = WORDS.get(hint, getattr(hint, "__name__", str(hint)))
    return " ".join(filter(None, (text, _range(metadata, str)))) if hint in (int, float) else text


def _joint(option: Any) -> str:
    """What stands before an option of a union: a single word is set off by a comma."""
    return ", or " if get_origin(option) is Literal and len(get_args(option)) == 1 else " or "


def _range(metadata: Mapping[str, Any], shown: Callable[[Any], str]) -> str:
    unit = f" {metadata['unit']}" if "unit" in metadata else ""
    if "ge" in metadata and "le" in metadata:
        return f"from {shown(metadata['ge'])} to {shown(metadata['le'])}{unit}"
    return " ".join(f"{word} {shown(metadata[name])}{unit}" for name, word in BOUNDS.items() if name in metadata)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()
