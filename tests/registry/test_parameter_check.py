"""The plain check says "certainly right" of a subset of what pydantic calls right, and needs no pydantic for it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import registry
from pipeline.contracts.parameter_types import is_parameter_type
from pipeline.contracts.parameters import BOUNDS, Parameter, all_right, parameters, shaped
from pipeline.registry.parameter_check import findings

SHIPPED = [
    registry.load(registry.resolve(kind, name)) for kind in registry.KINDS for name in registry.names(kind)
]  # fmt: skip
DECLARED = [cls for cls in SHIPPED if parameters(cls)]
EDGES = [0, 1, -1, True, False, 0.0, 1.0, -0.5, math.nan, math.inf, 1 << 53, 10**30, None, "", "a", "auto", "\udce9"]
WRONG = st.one_of(
    st.sampled_from(EDGES),
    st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.sampled_from(EDGES), max_size=3),
    st.tuples(st.integers(), st.integers()),
    st.dictionaries(st.text(max_size=2), st.sampled_from(EDGES), max_size=2),
)  # fmt: skip


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Near to what a parameter takes: its type's values, its bounds and their neighbours, its words, and slips."""
    bounds = [parameter.metadata[name] for name in BOUNDS if name in parameter.metadata]
    near = [bound + step for bound in bounds for step in (-1, 0, 1, 0.5)]
    default = [parameter.shown_default] if parameter.default is not None else []
    return st.one_of(of_type(parameter.hint), WRONG, *([st.sampled_from(near + default)] if near + default else []))


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    origin, options = get_origin(hint), get_args(hint)
    if is_parameter_type(hint):
        return st.sampled_from(["#ffcc00", "#ffcc0080", "30s", "512MB", "1/2", 3, "10%"])
    if origin is Literal:
        return st.sampled_from(options)
    if origin is Union or type(hint).__name__ == "UnionType":
        return st.one_of([of_type(option) for option in options])
    if origin in (list, tuple):
        return st.lists(st.one_of([of_type(option) for option in options if option is not Ellipsis]), max_size=3)
    if origin is dict:
        return st.dictionaries(of_type(options[0]), of_type(options[1]), max_size=2)
    plain = {int: st.integers(-5, 5000), float: st.floats(-5, 500), str: st.text(max_size=3), bool: st.booleans()}
    return plain.get(hint, st.none())


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("cls", DECLARED, ids=lambda cls: f"{cls.__module__}")
@given(data=st.data())
def test_what_the_plain_check_calls_right_pydantic_calls_right(cls: type[Any], data: st.DataObject) -> None:
    """One parameter at a time, over every shipped component; and the other way for the plain types."""
    parameter = data.draw(st.sampled_from(parameters(cls)))
    value = shaped(data.draw(values(parameter)), parameter.hint)
    given = {each.attribute: EXAMPLES[cls][each.name] for each in parameters(cls) if each.required}
    given[parameter.name] = value
    right = all_right(cls, given)
    found = findings(cls, given)
    assert not (right and found)
    exact = type(value) is not int or abs(value) < 1 << 53  # beyond it the plain check leaves a number to pydantic
    assert right or found or not exact or parameter.hint not in (int, float, str, bool)


def example(cls: type[Any]) -> dict[str, Any]:
    return {each.name: shaped(cls.example.get(each.name, "x"), each.hint) for each in parameters(cls) if each.required}


EXAMPLES = {cls: example(cls) for cls in DECLARED}


@pytest.mark.parametrize("cls", SHIPPED, ids=lambda cls: f"{cls.__module__}")
def test_examples_and_defaults_are_certainly_right(cls: type[Any]) -> None:
    """So that a config without mistakes is checked without pydantic."""
    hints = {each.name: each.hint for each in parameters(cls)}
    given = {each.name: each.default for each in parameters(cls) if not each.required}
    given |= {name: shaped(value, hints[name]) for name, value in cls.example.items()} | EXAMPLES.get(cls, {})
    assert all_right(cls, given)


def test_unknown_and_missing_names_are_not_right() -> None:
    """Names count as well as values."""
    cls = registry.load(registry.resolve("transform", "resize"))
    assert all_right(cls, {"width": 3})
    assert not all_right(cls, {"widht": 3})
    lister = registry.load(registry.resolve("reader", "folder"))
    assert not all_right(lister, {})
    assert all_right(lister, {"path": str(Path.cwd())})
