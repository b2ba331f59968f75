"""Text to a typed Config with places. Nothing is imported until it is asked for: workers need `keys` alone.

keys             every key that the engine reads, declared once; key_types: their types
yaml_source      YAML text to a tree of nodes, by ruamel's composer behind yaml_guard; yaml_errors: what it complains of
overrides        `--set` and `--workers`, put into the tree
mapping_reader   a mapping read by its declaration
form             tree to Config; `load`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .form import Config, load

__all__ = ["Config", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pipeline.config' has no attribute {name!r}")
    from . import form

    return getattr(form, name)
