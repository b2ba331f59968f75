"""Modules that a config may name: by their dotted name, or as a file of the user."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

OWN_CODE = "pipeline_own_code:"  # begins the module name of a file that a config names


def load_module(home: str) -> ModuleType:
    """The module "package.module", or the one that a file "/path/file.py" holds, under a name of its own.

    Only the planner decides what may be loaded; a Plan names nothing that it did not allow.
    """
    if not home.endswith(".py"):
        return import_module(home)
    name = OWN_CODE + home
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, home)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{home} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
