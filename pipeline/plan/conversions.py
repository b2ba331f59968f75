"""Conversions that the plan puts into a chain by itself: `srgb`, `orient`, `rgb`, `yuv`, `narrow`. Runs in the parent.

A config names what should happen to the picture; these stages are what its colours and planes need on the way. Each is
put where fewest pixels pass it, and left out where the config has it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import registry
from ..config.node import Node
from ..contracts.problem import Mark
from .components import Parts, Resolved
from .model import StagePlan

SRGB, ORIENT, RGB, YUV, NARROW = "srgb", "orient", "rgb", "yuv", "narrow"


def put_in(parts: Parts) -> None:
    """Add the conversions to the components of a config, as its reader and writer need them."""
    if parts.writer is None:
        return
    _to_srgb(parts, parts.writer)
    if parts.reader is not None:
        _upright(parts, parts.reader)
        if parts.reader.instance.planes:
            _to_rgb(parts, parts.reader, parts.writer)
        _to_yuv(parts, parts.writer)
    _to_eight_bits(parts, parts.writer)


def _to_srgb(parts: Parts, writer: Resolved) -> None:
    """The stage that applies ICC profiles, behind all stages that only move pixels.

    Even where profiles are kept it is needed for CMYK, which no encoder takes.
    """
    known = parts.reader is not None and parts.reader.instance.fixed_spec() is not None
    judged = bool(parts.reducers)  # levels mean something to them
    if known or _has(parts, SRGB) or not (writer.instance.encodes or writer.instance.icc == SRGB or judged):
        return
    params = {} if writer.instance.icc == SRGB or not writer.instance.encodes else {"only_cmyk": True}
    srgb = _added(SRGB, params, writer.node.at(("icc",)))
    for group in parts.transforms:
        for index, stage in enumerate(group):
            if not stage.instance.any_colour or stage.instance.expanding:
                group.insert(index, srgb)
                return
    (parts.transforms[-1] if parts.transforms else parts.before_writer).append(srgb)


def _upright(parts: Parts, reader: Resolved) -> None:
    """Frames of video upright first."""
    if reader.instance.turns and not _has(parts, ORIENT):
        first = parts.transforms[0] if parts.transforms else parts.before_writer
        first.insert(0, _added(ORIENT, {}, reader.node.mark))


def _to_rgb(parts: Parts, reader: Resolved, writer: Resolved) -> None:
    """`rgb` before the first stage that takes no YUV, or at the end where pictures are written."""
    encodes = writer.instance.encodes or bool(parts.reducers)
    hdr = "refuse" if encodes and writer.instance.yuv is None else "keep"
    rgb = _added(RGB, {"hdr": hdr}, reader.node.mark)
    for group in (*parts.transforms, parts.before_writer):
        for index, stage in enumerate(group):
            if stage.plan.ref == rgb.plan.ref:
                return
            if not stage.instance.planes:
                group.insert(index, rgb)
                return
    if encodes:
        _last(parts).append(rgb)


def _to_yuv(parts: Parts, writer: Resolved) -> None:
    """YUV at the end, for a writer that takes nothing else."""
    wants = writer.instance.yuv
    if wants is not None and not _has(parts, YUV):
        _last(parts).append(_added(YUV, dict(wants), writer.node.mark))


def _to_eight_bits(parts: Parts, writer: Resolved) -> None:
    """`narrow` at the end, for a format that holds 8 bits a sample."""
    if parts.encoder is None or _has(parts, NARROW):
        return
    known = parts.reader.instance.fixed_spec() if parts.reader is not None else None
    deep = known is None or known.dtype == "uint16"
    if deep and "uint16" not in registry.load(parts.encoder.ref).dtypes:
        _last(parts).append(_added(NARROW, {}, writer.node.mark))


def _added(name: str, params: Mapping[str, Any], place: Mark) -> Resolved:
    """A stage that the plan puts in by itself; `place` is what asks for it."""
    ref = registry.resolve("transform", name)
    instance = registry.build(registry.load(ref), params)
    return Resolved(StagePlan(name, ref, params, place), instance, Node(place, {}, {}))


def _has(parts: Parts, name: str) -> bool:
    """Whether the config has this stage by hand."""
    ref = registry.resolve("transform", name)
    return any(part.plan.ref == ref for group in parts.transforms for part in group)


def _last(parts: Parts) -> list[Resolved]:
    """The group that frames leave for the writer: the last one, unless it makes several frames of one."""
    if parts.before_writer or not parts.transforms:
        return parts.before_writer
    expands = parts.transforms[-1] and parts.transforms[-1][-1].instance.expanding
    return parts.before_writer if expands else parts.transforms[-1]
