"""The parameters of components checked strictly, and instances made of them; called where a plan is made.

Values that are certainly right pass a plain check; only for the others pydantic_core is imported, for the findings: its
schemas are built here from the types of the fields, which spares the import of all of pydantic (0.15 s); that is
loaded for types that are not plain ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..contracts.parameter_types import is_parameter_type
from ..contracts.parameters import BOUNDS, all_right, parameters, shaped
from ..contracts.problem import near
from ..errors import PipelineError, UsageError


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a parameter. `path` leads to it; `wants` is a hint where the name is unknown."""

    path: tuple[str | int, ...]
    kind: Literal["unknown", "missing", "wrong"]
    wants: str = ""
    what: str = ""


def check(cls: type[Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Strict check of parameters against the fields of a component: the keyword arguments and all findings.

    A list becomes a tuple where the field is one, text a value of a ParameterType; nothing else is converted.
    """
    hints = {parameter.name: parameter.hint for parameter in parameters(cls)}
    plain = {key: shaped(value, hints.get(key)) for key, value in values.items()}
    return plain, [] if all_right(cls, plain) else findings(cls, plain)


def findings(cls: type[Any], values: Mapping[str, Any]) -> list[Finding]:
    """What pydantic finds wrong with shaped values; none where all are right."""
    from pydantic_core import SchemaValidator, ValidationError

    try:
        SchemaValidator(schema(cls)).validate_python(_printable(values))
    except ValidationError as error:
        return _findings(cls, error.errors(include_url=False, include_context=False))
    return []


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

    fields = {
        each.name: core_schema.typed_dict_field(_schema(each.hint, each.metadata), required=each.required)
        for each in parameters(cls)
    }
    config = core_schema.CoreConfig(strict=True, allow_inf_nan=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid", config=config)


def _schema(hint: Any, metadata: Mapping[str, Any]) -> Any:
    """The core schema of a type; what is not one of the plain types is left to pydantic."""
    from pydantic_core import core_schema

    origin, options = get_origin(hint), get_args(hint)
    if hint in (int, float):
        return _number(hint, metadata)
    if hint is str:
        return core_schema.str_schema()
    if hint is bool:
        return core_schema.bool_schema()
    if hint is NoneType:
        return core_schema.none_schema()
    if hint is Any:
        return core_schema.any_schema()
    if is_parameter_type(hint):
        instance = core_schema.is_instance_schema(hint)
        number = next((kind for kind in (int, float) if issubclass(hint, kind)), None)
        return core_schema.chain_schema([instance, _number(number, metadata)]) if number else instance
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
    if origin is dict:
        return core_schema.dict_schema(*(_schema(option, {}) for option in options))
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True)).core_schema


def _number(kind: type[Any], metadata: Mapping[str, Any]) -> Any:
    from pydantic_core import core_schema

    bounds: dict[str, Any] = {name: metadata[name] for name in BOUNDS if name in metadata}
    return core_schema.int_schema(**bounds) if kind is int else core_schema.float_schema(**bounds)


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


def _printable(value: Any) -> Any:
    """The same value with lone surrogates (names that are not UTF-8) replaced, for pydantic refuses those."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return type(value)(_printable(each) for each in value)
    return {_printable(key): _printable(each) for key, each in value.items()} if isinstance(value, dict) else value
