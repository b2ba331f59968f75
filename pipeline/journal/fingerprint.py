"""What decides the pixels of a job, written down so that two runs can be compared and told apart in words.

Steps are the reader, the stages, the encoder and the writer with every parameter that pixels depend on, the
`pixels_version` of each, and the code of stages that are not part of this program. Workers, cores, queues, fusion,
limits and names of groups are not in it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from ..plan.model import Plan, StagePlan
from ..registry import load, parameters

Step = Mapping[str, Any]
OURS = ("stages.", "pipeline.")  # code that says by its `pixels_version` when its pixels change


def steps_of(plan: Plan) -> list[Step]:
    """The resolved chain as plain data, in the order of the frames' way; codecs for reading come last."""
    stages = [stage for group in plan.groups for stage in group.stages]
    encoder = [plan.encoder] if plan.encoder is not None else []
    return [
        *(_step(stage) for stage in stages[:-1]),
        *(_step(stage) for stage in encoder),
        _step(stages[-1]),
        {"label": "codecs", "versions": {codec.label: load(codec.ref).pixels_version for codec in plan.codecs}},
    ]


def _step(stage: StagePlan) -> Step:
    cls = load(stage.ref)
    step: dict[str, Any] = {
        "label": stage.label,
        "ref": stage.ref if stage.ref.startswith(OURS) else stage.ref.rpartition(":")[2],
        "version": cls.pixels_version,
        "with": _parameters(cls, stage.build()),
    }
    return step if stage.ref.startswith(OURS) else step | {"code": _code(stage.ref)}


def _parameters(cls: type[Any], instance: Any) -> dict[str, Any]:
    """The parameters that pixels depend on, with their defaults, by the names that a config gives them."""
    return {
        each.name: _plain(getattr(instance, each.attribute))
        for each in parameters(cls)
        if each.metadata.get("pixels", True)
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _code(ref: str) -> str:
    """A hash of the file that holds the code of a stage; what that file imports is not looked at."""
    home = ref.rpartition(":")[0]
    path = home if home.endswith(".py") else getattr(sys.modules.get(home), "__file__", None)
    if not path:
        return ""
    with open(path, "rb") as file:
        return blake2b(file.read(), digest_size=8).hexdigest()


def hash_of(steps: Sequence[Step]) -> str:
    """The fingerprint: equal for chains that make equal pixels. What a stage is called does not count."""
    bare = [{key: value for key, value in step.items() if key != "label"} for step in steps]
    return blake2b(json.dumps(bare, sort_keys=True).encode(), digest_size=16).hexdigest()


def differences(old: Sequence[Step], new: Sequence[Step]) -> list[str]:
    """What differs from one chain to another, each in words: `resize.width: 256 -> 512`."""
    from difflib import SequenceMatcher

    before, after = ([str(step.get("ref", step["label"])) for step in steps] for steps in (old, new))
    told: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            for was, now in zip(old[a:b], new[c:d], strict=True):
                told += _differences(was, now)
            continue
        told += [f"{step['label']}: removed" for step in old[a:b]]
        told += [f"{step['label']}: added" for step in new[c:d]]
    return told


def _differences(old: Step, new: Step) -> Iterator[str]:
    label = new["label"]
    for key, prefix in (("with", f"{label}."), ("versions", "codec ")):
        was, now = old.get(key, {}), new.get(key, {})
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                yield f"{prefix}{name}: {_said(was.get(name))} -> {_said(now.get(name))}"
    if old.get("version") != new.get("version"):
        yield f"{label}: version of its pixels {old.get('version')} -> {new.get('version')}"
    if old.get("code") != new.get("code"):
        yield f"{label}: its code {old.get('code')} -> {new.get('code')}"


def _said(value: Any) -> str:
    return json.dumps(value)
