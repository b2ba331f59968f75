"""`pipeline`: images and video through a chain of stages on all cores. Exports are lazy (PEP 562).

Authors of components need `contracts` only: `from pipeline import Transform, Spec, Frame, Skip`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import frames, run
    from .contracts.archive_writer import ArchiveWriter, Content, PackedMember, WrittenArchive
    from .contracts.codec import STRICT, Codec, DecodeContext, Header, Picture
    from .contracts.contexts import Limits, Part, ReadContext, Skip, Source, WriteContext
    from .contracts.folder_listing import Listing
    from .contracts.frame import NO_METADATA, Frame, Item, Metadata
    from .contracts.globs import matcher
    from .contracts.opencv import load_opencv
    from .contracts.parameter_types import Colour, Nbytes
    from .contracts.picture_reader import PictureReader
    from .contracts.problem import ConfigError
    from .contracts.properties import Clip
    from .contracts.reducer import Partial, Reducer
    from .contracts.spec import Pixels, Size, Spec
    from .contracts.stage import Health, Reader, Transform, Writer
    from .contracts.stamp import Stamp, is_gone
    from .contracts.template import Template
    from .errors import EnvironmentRefusal, ItemError, MissingCodec, PipelineError, SpecError, StopRun, UsageError
    from .supervisor.report import Report

_HOMES = {
    "api": ("frames", "run"),
    "errors": (
        "EnvironmentRefusal",
        "ItemError",
        "MissingCodec",
        "PipelineError",
        "SpecError",
        "StopRun",
        "UsageError",
    ),
    "contracts.properties": ("Clip",),
    "contracts.archive_writer": ("ArchiveWriter", "Content", "PackedMember", "WrittenArchive"),
    "contracts.reducer": ("Partial", "Reducer"),
    "contracts.frame": ("NO_METADATA", "Frame", "Item", "Metadata"),
    "contracts.spec": ("Pixels", "Size", "Spec"),
    "contracts.stage": ("Health", "Reader", "Transform", "Writer"),
    "contracts.codec": ("STRICT", "Codec", "DecodeContext", "Header", "Picture"),
    "contracts.contexts": ("Limits", "Part", "ReadContext", "Skip", "Source", "WriteContext"),
    "contracts.folder_listing": ("Listing",),
    "contracts.globs": ("matcher",),
    "contracts.stamp": ("Stamp", "is_gone"),
    "contracts.opencv": ("load_opencv",),
    "contracts.parameter_types": ("Colour", "Nbytes"),
    "contracts.picture_reader": ("PictureReader",),
    "contracts.problem": ("ConfigError",),
    "contracts.template": ("Template",),
    "supervisor.report": ("Report",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = [
    "NO_METADATA", "STRICT", "ArchiveWriter", "Clip", "Codec", "Colour", "ConfigError", "Content", "DecodeContext",
    "EnvironmentRefusal", "Frame", "Header", "Health", "Item", "ItemError", "Limits", "Listing", "Metadata",
    "MissingCodec", "Nbytes", "PackedMember", "Part", "Partial", "Picture", "PictureReader", "PipelineError",
    "Pixels", "ReadContext", "Reader", "Reducer", "Report", "Size", "Skip", "Source", "Spec", "SpecError", "Stamp",
    "StopRun", "Template", "Transform", "UsageError", "WriteContext", "Writer", "WrittenArchive", "__version__",
    "frames", "is_gone", "load_opencv", "matcher", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(f"pipeline.{home}"), name)
