"""The JSON Schema of a config, for editors: completion and red lines while typing. `check` stays the judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..contracts.parameter_types import is_parameter_type

DRAFT = "http://json-schema.org/draft-07/schema#"  # what the YAML language server of editors reads
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}
Schema = dict[str, Any]

_WHOLE: Schema = {"type": "integer", "minimum": 1}
_SIZE: Schema = {"anyOf": [_WHOLE, {"type": "string", "pattern": r"^[0-9.]+\s*([kMGT]i?B?|B)$"}]}
_TIME: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9.]+\s*(ms|s|m|h)$"}]}
_ORDER: Schema = {"enum": ["completed", "input"], "description": "how frames leave the queue"}
_CREDIT: Schema = {
    "anyOf": [{"type": "integer", "minimum": 1, "maximum": 8}, {"const": "auto"}],
    "description": "frames in hand at each worker; auto is 2, and up to 8 while they are short",
}
_DEPTH: Schema = {**_WHOLE, "maximum": 4096, "description": "frames that may wait before a group"}


def _object(properties: Mapping[str, Schema], *required: str, doc: str = "") -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {}) | ({"description": doc} if doc else {})


GROUP: dict[str, Schema] = {
    "workers": {"anyOf": [{**_WHOLE, "maximum": 512}, {"const": "auto"}], "description": "processes of the group"},
    "cores": {
        "anyOf": [
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            {"type": "string", "pattern": r"^(auto|none|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)$"},
        ],
        "description": 'cores its processes are pinned to: [0, 1], "0-3", auto or none',
    },
    "queue": _object({"depth": _DEPTH, "order": _ORDER, "credit": _CREDIT}, doc="the queue before this group"),
}
TOP: dict[str, Schema] = {
    "version": {"const": 1, "description": "of the form of the config"},
    "queues": _object(
        {
            "depth": _DEPTH, "order": _ORDER, "credit": _CREDIT,
            "memory": {"anyOf": [*_SIZE["anyOf"], {"const": "auto"}], "description": "shared memory for all frames"},
        },
        doc="of all queues, unless a group says otherwise",
    ),
    "on_error": _object(
        {
            "policy": {"enum": ["continue", "stop"]},
            "retries": {"type": "integer", "minimum": 0, "maximum": 10},
            "max_failures": {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "string", "pattern": r"^([0-9]{1,3}(\.[0-9]+)?\s*%|none)$"},
                ],
                "description": "failed items that end the run: a number, a share such as 5%, or none",
            },
        },
        doc="what happens when items fail",
    ),
    "limits": _object(
        {"pixels": _WHOLE, "file_size": _SIZE, "frames": _WHOLE}, doc="on hostile input; may be lowered here"
    ),
    "fuse": {"enum": ["none", "all", "auto"], "description": "all: the whole chain in each worker"},
    "timeout": {**_TIME, "description": "for one frame in one group"},
    "stall_timeout": {**_TIME, "description": "for the whole run without a frame moving"},
}  # fmt: skip


def config_schema(components: Mapping[str, Mapping[str, type[Any]]]) -> Schema:
    """The schema of a whole config.

    Args:
        components: classes by kind ("reader", "transform", "writer", "codec") and name.
    """
    blocks = {name: _parameters(cls) for name, cls in components["codec"].items() if cls.extensions}
    stages: Schema = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/stage"}}
    properties: dict[str, Schema] = {"name": {"type": "string"}, "stages": stages, **GROUP}
    group = _object(properties, "stages", doc="transforms that run in the same processes")
    top = {
        "reader": _end(components["reader"], {}),
        "transforms": {"anyOf": [{"type": "array", "items": group}, {"type": "null"}]},
        "writer": _end(components["writer"], blocks),
    }
    return {
        "$schema": DRAFT,
        "title": "pipeline config",
        **_object({"version": TOP["version"], **top, **TOP}, "version", "reader", "writer"),
        "definitions": {"stage": _stage(components["transform"])},
    }


def _end(classes: Mapping[str, type[Any]], blocks: Mapping[str, Schema]) -> Schema:
    """Reader or writer: one of the built-in ones with its parameters, or own code with any."""
    own = {"properties": {"use": {"type": "string", "pattern": "[:./]"}}, "required": ["use"]}
    forms = []
    for name, cls in classes.items():
        known = _parameters(cls)
        properties = {"use": {"const": name}, **known["properties"], **blocks, **GROUP}
        forms.append(_object(properties, "use", *known.get("required", ()), doc=_first_line(cls)))
    return {"anyOf": [*forms, own]}


def _stage(classes: Mapping[str, type[Any]]) -> Schema:
    """A transform: its name, its name with parameters, or `use` with `with`."""
    free = [name for name, cls in classes.items() if "required" not in _parameters(cls)]
    forms: list[Schema] = [{"enum": free}, {"type": "string", "pattern": "[:./]"}]
    for name, cls in classes.items():
        inner = _parameters(cls)
        inner = inner if "required" in inner else {"anyOf": [inner, {"type": "null"}]}
        forms.append(_object({name: inner}, name, doc=_first_line(cls)))
    use = {"use": {"type": "string"}, "with": {"type": "object"}, "name": {"type": "string"}}
    return {"anyOf": [*forms, _object(use, "use")]}


def _parameters(cls: type[Any]) -> Schema:
    hints = get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init] if dataclasses.is_dataclass(cls) else []
    required = [f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    return _object({field.name: _field(field, hints[field.name]) for field in fields}, *required, doc=_first_line(cls))


def _field(field: dataclasses.Field[Any], hint: Any) -> Schema:
    schema = _type(hint, field.metadata)
    if field.metadata.get("doc"):
        schema["description"] = str(field.metadata["doc"])
    if isinstance(field.default, (int, float, str, bool)):
        schema["default"] = field.default
    elif is_parameter_type(type(field.default)):
        schema["default"] = str(field.default)
    return schema


def _type(hint: Any, metadata: Mapping[str, Any]) -> Schema:
    """The schema of a type; one that is not plain takes anything."""
    origin, options = get_origin(hint), get_args(hint)
    if is_parameter_type(hint):
        return dict(hint.schema)
    if hint in (int, float):
        return {"type": PLAIN[hint], **{word: metadata[name] for name, word in BOUNDS.items() if name in metadata}}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(options)}
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
