"""What several stages share: colours, metadata, containers, libraries. A module is loaded when it is first used.

Every codec is imported at each start, to know what it is; what it decodes with is not needed before the first file of
its format.
"""

from __future__ import annotations

import importlib.util
import sys
from threading import RLock
from types import ModuleType
from typing import Any


class _Unloaded(ModuleType):
    """A module that is executed when something in it is asked for; other threads that ask meanwhile wait.

    `importlib.util.LazyLoader` hands them a module that is half executed, up to Python 3.12.
    """

    def __getattribute__(self, name: str) -> Any:
        plain = super().__getattribute__
        if name.startswith("__"):  # what is known without it; importing asks for these
            return plain(name)
        spec = plain("__spec__")
        with spec.loader_state:
            if plain("__class__") is _Unloaded and not hasattr(spec, "begun"):
                spec.begun = True  # it asks itself for names, in this thread
                try:
                    spec.loader.exec_module(self)
                except BaseException:
                    del spec.begun
                    raise
                self.__class__ = ModuleType  # type: ignore[assignment]  # as LazyLoader does
        return plain(name)


def __getattr__(name: str) -> ModuleType:
    """The module of this name, which Python loads when something in it is asked for."""
    spec = importlib.util.find_spec(f"{__name__}.{name}") if not name.startswith("__") else None
    if spec is None or spec.loader is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _Unloaded(spec.name)
    spec.loader_state = RLock()
    sys.modules[spec.name] = module
    for key, value in vars(importlib.util.module_from_spec(spec)).items():
        setattr(module, key, value)
    globals()[name] = module
    return module
