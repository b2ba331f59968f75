"""The parameters of components: the fields of their dataclass, described in words and checked strictly.

pydantic_core is imported only where values are checked: its schemas are built here from the types of the fields, which
spares the import of all of pydantic (0.15 s); that is loaded for types that are not plain ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..contracts.parameter_types import is_parameter_type
from ..contracts.problem import near
from ..errors import PipelineError, UsageError

BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a component as people see it: `wants` says type and range in words."""

    name: str
    wants: str
    default: Any
    required: bool
    doc: str


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a parameter. `path` leads to it; `wants` is a hint where the name is unknown."""

    path: tuple[str | int, ...]
    kind: Literal["unknown", "missing", "wrong"]
    wants: str = ""
    what: str = ""


def parameters(cls: type[Any]) -> tuple[Parameter, ...]:
    """The fields of a component with their types, ranges, defaults and documentation."""
    hints = _hints(cls)
    return tuple(
        Parameter(
            name=field.name,
            wants=_in_words(hints[field.name], field.metadata),
            default=_default(field),
            required=_required(field),
            doc=str(field.metadata.get("doc", "")),
        )
        for field in _fields(cls)
    )


def takes_text(cls: type[Any], name: str) -> bool:
    """Whether a parameter is text, so that the command line hands it over as it is."""
    hint = _hints(cls).get(name, int)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return all(
        option in (str, NoneType)
        or is_parameter_type(option)
        or (get_origin(option) is Literal and all(isinstance(x, str) for x in get_args(option)))
        for option in options
    )


def check(cls: type[Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Strict check of parameters against the fields of a component: the keyword arguments and all findings.

    A list becomes a tuple where the field is one; nothing else is converted.
    """
    from pydantic_core import SchemaValidator, ValidationError

    hints = _hints(cls)
    plain = {key: _shaped(value, hints.get(key)) for key, value in values.items()}
    try:
        SchemaValidator(schema(cls)).validate_python(_printable(plain))
    except ValidationError as error:
        return plain, _findings(cls, error.errors(include_url=False, include_context=False))
    return plain, []


def build(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance; what its own `__post_init__` refuses comes out as a UsageError."""
    try:
        return cls(**values)
    except PipelineError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def schema(cls: type[Any]) -> Any:
    """The core schema of a component's parameters: strict, nothing extra, ranges from the field metadata."""
    from pydantic_core import core_schema

    hints = _hints(cls)
    fields = {
        field.name: core_schema.typed_dict_field(_schema(hints[field.name], field.metadata), required=_required(field))
        for field in _fields(cls)
    }
    config = core_schema.CoreConfig(strict=True, allow_inf_nan=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid", config=config)


def _schema(hint: Any, metadata: Mapping[str, Any]) -> Any:
    """The core schema of a type; what is not one of the plain types is left to pydantic."""
    from pydantic_core import core_schema

    bounds: dict[str, Any] = {name: metadata[name] for name in BOUNDS if name in metadata}
    origin, options = get_origin(hint), get_args(hint)
    if hint is int:
        return core_schema.int_schema(**bounds)
    if hint is float:
        return core_schema.float_schema(**bounds)
    if hint is str:
        return core_schema.str_schema()
    if hint is bool:
        return core_schema.bool_schema()
    if hint is NoneType:
        return core_schema.none_schema()
    if is_parameter_type(hint):
        return core_schema.is_instance_schema(hint)
    if origin is Literal:
        return core_schema.literal_schema(list(options))
    if origin in (Union, UnionType):
        return core_schema.union_schema([_schema(option, metadata) for option in options])
    if origin is list:
        return core_schema.list_schema(_schema(options[0], metadata))
    if origin is tuple:
        every = len(options) == 2 and options[1] is Ellipsis
        parts = [_schema(option, metadata) for option in (options[:1] if every else options)]
        return core_schema.tuple_schema(parts, variadic_item_index=0 if every else None)
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True)).core_schema


def _findings(cls: type[Any], errors: Sequence[Any]) -> list[Finding]:
    wants = {parameter.name: parameter.wants for parameter in parameters(cls)}
    found: dict[tuple[str | int, ...], Finding] = {}
    for error in errors:
        name = error["loc"][0]
        path = tuple(part for part in error["loc"] if part == name or isinstance(part, int))
        if error["type"] == "extra_forbidden":
            found[path] = Finding(path, "unknown", near(str(name), list(wants)))
        elif error["type"] == "missing":
            found[path] = Finding(path, "missing", wants[name])
        else:
            found.setdefault(path, Finding(path, "wrong", wants[name], error["msg"]))
    return list(found.values())


def _in_words(hint: Any, metadata: Mapping[str, Any]) -> str:
    origin, options = get_origin(hint), get_args(hint)
    if is_parameter_type(hint):
        return str(hint.wants)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in options)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(option, metadata) for option in options)
    if origin is list or (origin is tuple and options[-1:] == (Ellipsis,)):
        return "a list of " + _in_words(options[0], metadata).removeprefix("a ")
    if origin is tuple:
        return "a list of " + ", ".join(_in_words(option, metadata) for option in options)
    if origin is dict:
        return "names with " + _in_words(options[1], metadata)
    text = _WORDS.get(hint, getattr(hint, "__name__", str(hint)))
    if hint not in (int, float):
        return text
    unit = f" {metadata['unit']}" if "unit" in metadata else ""
    if "ge" in metadata and "le" in metadata:
        return f"{text} from {metadata['ge']} to {metadata['le']}{unit}"
    return " ".join([text, *(f"{word} {metadata[name]}{unit}" for name, word in BOUNDS.items() if name in metadata)])


def _fields(cls: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(field for field in dataclasses.fields(cls) if field.init)


def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return str(field.default) if is_parameter_type(type(field.default)) else field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


def _shaped(value: Any, hint: Any) -> Any:
    """A list as a tuple where the field is one, text as a value of the field's ParameterType."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    special = next((option for option in options if is_parameter_type(option)), None)
    if special is not None:
        try:
            return special.read(value)
        except ValueError:
            return value  # what the check will find wrong
    wanted = next((option for option in options if get_origin(option) is tuple), None)
    if wanted is None or not isinstance(value, list):
        return value
    inner = get_args(wanted)
    each = [inner[0]] * len(value) if inner[1:] == (Ellipsis,) else [*inner, *[None] * len(value)]
    return tuple(_shaped(entry, of) for entry, of in zip(value, each, strict=False))


def _printable(value: Any) -> Any:
    """The same value with lone surrogates (names that are not UTF-8) replaced, for pydantic refuses those."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return type(value)(_printable(each) for each in value)
    return {key: _printable(each) for key, each in value.items()} if isinstance(value, dict) else value
