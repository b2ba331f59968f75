"""Names of components to classes: `stages/<kind>s/<name>.py` holds one class, `package.module:Class` names one.

Listing reads the folder and imports nothing; looking a name up imports that one file.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from inspect import isfunction
from types import ModuleType
from typing import Any

from ..contracts.codec import Codec
from ..contracts.parameters import parameters
from ..contracts.problem import near
from ..contracts.reducer import Reducer
from ..contracts.stage import Reader, Stage, Transform, Writer
from ..errors import EnvironmentRefusal, PipelineError, UsageError
from .code import OWN_CODE, load_module
from .function_stage import as_class
from .parameter_check import Finding, build, check

__all__ = [
    "KINDS", "Finding", "build", "check", "describe", "installed", "load", "names", "near", "parameters", "resolve",
]  # fmt: skip

HOME = "stages"
ENTRY_POINTS = "pipeline.stages"
KINDS: Mapping[str, type[Stage]] = {
    "reader": Reader, "transform": Transform, "reducer": Reducer, "writer": Writer, "codec": Codec,
}  # fmt: skip
_REF = re.compile(r"(?P<module>[^:]+):(?P<name>[A-Za-z_]\w*)")


@cache
def names(kind: str) -> tuple[str, ...]:
    """The built-in components of a kind, from the folder listing alone."""
    home = import_module(f"{HOME}.{kind}s")
    found = {
        entry.name[:-3]
        for folder in home.__path__
        for entry in os.scandir(folder)
        if entry.name.endswith(".py") and not entry.name.startswith("_")
    }
    return tuple(sorted(found))


def resolve(kind: str, use: str, *, allow_code: bool = False) -> str:
    """The reference "module:Class" or "/file.py:Class" for what a config calls `use`; workers load it again.

    Raises:
        UsageError: no such component, not of this kind, or code that the command line does not allow.
        EnvironmentRefusal: a library that its file imports is missing.
    """
    if _REF.fullmatch(use) or use.endswith(".py") or "/" in use or _is_own_module(use):
        if not allow_code:
            raise UsageError(
                f"'{use}' names code of yours", remedy="a config with code is a program: --allow-code runs it"
            )
        return _reference(kind, use, _own_code(kind, use))
    if use in names(kind):
        return _reference(kind, use, _only_class(kind, use))
    found = _entry_point(kind, use)
    if found is None:
        elsewhere = next((other for other in KINDS if other != kind and use in names(other)), None)
        hint = f"{use} is a {elsewhere}" if elsewhere else near(use, names(kind))
        raise UsageError(f"unknown {kind} '{use}'", remedy=hint)
    return _reference(kind, use, found)


def load(ref: str) -> type[Any]:
    """The class a reference names; imports its module, or its file under a name of its own.

    Raises:
        UsageError: no such module, file or class.
        EnvironmentRefusal: the file imports a library that is not there.
    """
    match = _REF.fullmatch(ref)
    if match is None:
        raise UsageError(f"'{ref}' names no class", limit="want package.module:Class or ./file.py:Class")
    home, name = match["module"], match["name"]
    module = _own_file(home) if home.endswith(".py") else _imported(home)
    found = getattr(module, name, None)
    if found is None:
        known = [each for each, value in vars(module).items() if isinstance(value, type) and issubclass(value, Stage)]
        raise UsageError(f"{home} has no class '{name}'", remedy=near(name, known))
    found = as_class(found)
    if not isinstance(found, type):
        raise UsageError(
            f"{ref} is neither class nor function", limit="want a class that derives from a contract, or def f(pixels)"
        )
    return found


def describe(kind: str, name: str) -> dict[str, Any]:
    """A component as plain data: what it does, its limits and its parameters. Imports its file, no backend."""
    ref = resolve(kind, name)
    cls = load(ref)
    limits = {
        limit: getattr(cls, limit)
        for limit in ("max_workers", "inspect", "ordered", "encodes", "commutative", "extensions", "models")
        if isinstance(getattr(cls, limit, None), (int, str, tuple)) and getattr(cls, limit) not in (False, 1)
    }
    fields = [
        {
            "name": each.name, "wants": each.wants, "default": each.shown_default, "required": each.required,
            "doc": each.doc,
        }
        for each in parameters(cls)
    ]  # fmt: skip
    return {
        "kind": kind, "name": name, "ref": ref, "doc": cls.__doc__ or "", "limits": limits, "parameters": fields,
        "example": dict(cls.example),
    }  # fmt: skip


def _reference(kind: str, use: str, cls: type[Any]) -> str:
    contract = KINDS[kind]
    if not issubclass(cls, contract):
        raise UsageError(f"'{use}' is no {kind}", limit=f"want a class that derives from pipeline.{contract.__name__}")
    home = sys.modules[cls.__module__]
    file = getattr(home, "__file__", None)
    return f"{file if cls.__module__.startswith(OWN_CODE) else cls.__module__}:{cls.__qualname__}"


def _only_class(kind: str, name: str) -> type[Any]:
    module = _imported(f"{HOME}.{kind}s.{name}")
    found: list[type[Any]] = [
        value
        for value in vars(module).values()
        # not by isinstance, which asks for `__class__`: modules that load when they are used would be loaded by that
        if issubclass(type(value), type) and issubclass(value, KINDS[kind]) and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]  # fmt: skip
    if len(found) != 1:
        raise UsageError(f"{module.__name__} holds {len(found)} {kind}s", limit="want one")
    return found[0]


def _is_own_module(use: str) -> bool:
    """`package.module`: a dotted name, which no built-in component has."""
    return "." in use and all(part.isidentifier() for part in use.split("."))


def _own_code(kind: str, use: str) -> type[Any]:
    try:
        return load(use if _REF.fullmatch(use) else f"{use}:{_only_component(kind, use)}")
    except PipelineError:
        raise
    except Exception as error:  # whatever the user's file does at import
        raise UsageError(f"importing '{use}' failed: {type(error).__name__}: {error}") from error


def _only_component(kind: str, home: str) -> str:
    """The name of the one class (or, where there is none, the one function) that a module of the user holds."""
    module = _own_file(home) if home.endswith(".py") else _imported(home)
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    classes = [name for name, value in own.items() if isinstance(value, type) and issubclass(value, KINDS[kind])]
    functions = [name for name, value in own.items() if isfunction(value) and not name.startswith("_")]
    found = classes or (functions if kind == "transform" else [])
    if len(found) != 1:
        several = f": {', '.join(found)}" if found else ""
        raise UsageError(f"{home} holds {len(found)} {kind}s{several}", remedy=f"name one, as {home}:Name")
    return found[0]


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {name}") from error
        raise EnvironmentRefusal(f"{name} needs {error.name}, which is not installed") from error


def _own_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path}")
    return load_module(os.path.abspath(path))


def installed() -> list[tuple[str, str]]:
    """Kind and name of each component that an installed package offers; imports them. Raises nothing: one that
    cannot be imported is of no kind, and the config that names it is told why.
    """
    from importlib.metadata import entry_points

    found = []
    for point in entry_points(group=ENTRY_POINTS):
        for kind in (kind for kind in KINDS if point.name not in names(kind)):
            try:
                load(resolve(kind, point.name))
            except Exception:  # noqa: S112 - of another kind, or whatever a stranger's package does at import
                continue
            found.append((kind, point.name))
    return sorted(set(found))


def _entry_point(kind: str, use: str) -> type[Any] | None:
    """A component of an installed package; asked only for names that are not built in."""
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS, name=use):
        try:
            found = as_class(point.load())
        except PipelineError:
            raise
        except ModuleNotFoundError as error:
            raise EnvironmentRefusal(
                f"'{use}' needs {error.name}, which is not installed", where=point.value
            ) from error
        except Exception as error:
            what = f"importing '{use}' of {point.value} failed: {type(error).__name__}: {error}"
            raise UsageError(what) from error
        if isinstance(found, type) and issubclass(found, KINDS[kind]):
            return found
    return None
