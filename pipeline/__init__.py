"""`pipeline`: images and video through a chain of stages on all cores. Exports are lazy (PEP 562).

Stage authors need floor 0 only: `from pipeline import Transform, Spec, Frame, Skip`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import frames, run
    from .errors import EnvironmentRefusal, ItemError, PipelineError, SpecError, StopRun, UsageError
    from .frame import NO_METADATA, Clip, Frame, Item, Metadata, Size, Spec
    from .listing import Listing
    from .opencv import load_opencv
    from .problem import ConfigError
    from .report import Report
    from .stage import Codec, Header, Limits, Part, ReadContext, Reader, Skip, Transform, WriteContext, Writer
    from .template import Template

_HOMES = {
    "api": ("frames", "run"),
    "errors": ("EnvironmentRefusal", "ItemError", "PipelineError", "SpecError", "StopRun", "UsageError"),
    "frame": ("NO_METADATA", "Clip", "Frame", "Item", "Metadata", "Size", "Spec"),
    "stage": (
        "Codec", "Header", "Limits", "Part", "ReadContext", "Reader", "Skip", "Transform", "WriteContext", "Writer",
    ),
    "listing": ("Listing",),
    "opencv": ("load_opencv",),
    "problem": ("ConfigError",),
    "report": ("Report",),
    "template": ("Template",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = [
    "NO_METADATA", "Clip", "Codec", "ConfigError", "EnvironmentRefusal", "Frame", "Header", "Item", "ItemError",
    "Limits", "Listing", "Metadata", "Part", "PipelineError", "ReadContext", "Reader", "Report", "Size", "Skip",
    "Spec", "SpecError", "StopRun", "Template", "Transform", "UsageError", "WriteContext", "Writer", "__version__",
    "frames", "load_opencv", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(f"pipeline.{home}"), name)
