"""The JSON Schema of a config, for editors: completion and red lines while typing. `check` stays the judge."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..contracts.parameter_types import is_parameter_type
from ..contracts.parameters import Parameter, holds_keys, parameters

DRAFT = "http://json-schema.org/draft-07/schema#"  # what the YAML language server of editors reads
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}
Schema = dict[str, Any]


def config_schema(
    components: Mapping[str, Mapping[str, type[Any]]],
    top: type[Any],
    group: type[Any],
    reader: type[Any],
    writer: type[Any],
    stage: type[Any],
) -> Schema:
    """The schema of a whole config.

    Args:
        components: classes by kind ("reader", "transform", "reducer", "writer", "codec") and name.
        top, group, reader, writer, stage: the declared keys of a config, of a group of transforms, of reader and writer
            and of the long form of a stage.
    """
    of_group = _keys(group)
    every = {name: schema for name, schema in of_group.items() if name != "name"}
    stages: Schema = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/stage"}}
    transforms = _object({**of_group, "stages": stages}, "stages", doc="transforms that run in the same processes")
    blocks = {name: _parameters(cls) for name, cls in components["codec"].items() if cls.extensions}
    properties = {
        "reader": _end(components["reader"], {**every, **_keys(reader)}),
        "transforms": {"anyOf": [{"type": "array", "items": transforms}, {"type": "null"}]},
        "reducers": {"type": "array", "minItems": 1, "items": _stage(components["reducer"], stage)},
        "writer": _end(components["writer"], {**blocks, **_keys(writer)}),
        **_keys(top),
    }
    return {
        "$schema": DRAFT,
        "title": "pipeline config",
        **_object(properties, "reader", *_required(top)),
        "anyOf": [{"required": ["writer"]}, {"required": ["reducers"]}],
        "definitions": {"stage": _stage(components["transform"], stage)},
    }


def _object(properties: Mapping[str, Schema], *required: str, doc: str = "") -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {}) | ({"description": doc} if doc else {})


def _end(classes: Mapping[str, type[Any]], also: Mapping[str, Schema]) -> Schema:
    """Reader or writer: one of the built-in ones with its parameters, or own code with any."""
    own = {"properties": {"use": {"type": "string", "pattern": "[:./]"}}, "required": ["use"]}
    forms = []
    for name, cls in classes.items():
        properties = {"use": {"const": name}, **_keys(cls), **also}
        forms.append(_object(properties, "use", *_required(cls), doc=_first_line(cls)))
    return {"anyOf": [*forms, own]}


def _stage(classes: Mapping[str, type[Any]], long: type[Any]) -> Schema:
    """A transform: its name, its name with parameters, or `use` with `with`."""
    free = [name for name, cls in classes.items() if not _required(cls)]
    forms: list[Schema] = [{"enum": free}, {"type": "string", "pattern": "[:./]"}]
    for name, cls in classes.items():
        inner = _parameters(cls)
        inner = inner if _required(cls) else {"anyOf": [inner, {"type": "null"}]}
        forms.append(_object({name: inner}, name, doc=_first_line(cls)))
    return {"anyOf": [*forms, _object({**_keys(long), "with": {"type": "object"}}, *_required(long))]}


def _parameters(cls: type[Any]) -> Schema:
    return _object(_keys(cls), *_required(cls), doc=_first_line(cls))


def _keys(cls: type[Any], *, defaults: bool = True) -> dict[str, Schema]:
    return {parameter.name: _parameter(parameter, defaults=defaults) for parameter in parameters(cls)}


def _required(cls: type[Any]) -> list[str]:
    return [parameter.name for parameter in parameters(cls) if parameter.required]


def _parameter(parameter: Parameter, *, defaults: bool) -> Schema:
    schema = _type(parameter.hint, parameter.metadata)
    if parameter.doc:
        schema["description"] = parameter.doc
    default = parameter.shown_default
    told = defaults and isinstance(default, (int, float, str)) and default != ""
    return schema | ({"default": default} if told else {})


def _type(hint: Any, metadata: Mapping[str, Any]) -> Schema:
    """The schema of a type; one that is not plain takes anything."""
    origin, options = get_origin(hint), get_args(hint)
    if is_parameter_type(hint):
        return dict(hint.schema)
    if holds_keys(hint):
        return _object(_keys(hint, defaults="follows" not in metadata))
    if hint in (int, float):
        return {"type": PLAIN[hint], **{word: metadata[name] for name, word in BOUNDS.items() if name in metadata}}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(options)} if len(options) > 1 else {"const": options[0]}
    if origin in (Union, UnionType):
        return {"anyOf": [_type(option, metadata) for option in options]}
    if origin is list or (origin is tuple and options[-1:] == (Ellipsis,)):
        return {"type": "array", "items": _type(options[0], metadata)}
    if origin is tuple:
        return {"type": "array", "items": [_type(option, metadata) for option in options], "minItems": len(options)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(options[1], metadata)}
    return {}


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
