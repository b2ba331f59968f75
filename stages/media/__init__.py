"""What several stages share: colours, metadata, containers, libraries. A module is loaded when it is first used.

Every codec is imported at each start, to know what it is; what it decodes with is not needed before the first file of
its format.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    """The module of this name, which Python loads when something in it is asked for."""
    spec = importlib.util.find_spec(f"{__name__}.{name}") if not name.startswith("__") else None
    if spec is None or spec.loader is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    globals()[name] = module
    return module
