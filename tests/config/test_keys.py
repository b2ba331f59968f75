"""The engine's keys: what their types read, and that everything told of a key is what its declaration says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config.key_types import Cores, Credit, MaxFailures, Name, parse_cores
from pipeline.config.keys import ReaderKeys, Settings, WriterKeys
from pipeline.contracts.parameter_types import Duration, Nbytes, is_parameter_type
from pipeline.contracts.parameters import Parameter, holds_keys, is_right, parameters, shaped
from pipeline.errors import UsageError

ENDS = 'version: 1\nreader: {use: synthetic}\nwriter: {use: "null"}\n'


def every(cls: type[Any], above: str = "") -> Iterator[tuple[str, Parameter]]:
    """All keys with values of their own, by the name that `--set` takes."""
    for key in parameters(cls):
        if holds_keys(key.hint):
            yield from every(key.hint, f"{above}{key.name}.")
        else:
            yield f"{above}{key.name}", key


KEYS = dict([*every(Settings), *every(ReaderKeys, "reader."), *every(WriterKeys, "writer.")])
BOUNDED = [(path, bound) for path, key in KEYS.items() for bound in ("ge", "le") if bound in key.metadata]


@pytest.mark.parametrize("path", KEYS)
def test_a_default_may_be_written_out(path: str) -> None:
    """What pages and schemas show as the default is a value of the key, and the same value."""
    key = KEYS[path]
    found = shaped(key.shown_default, key.hint)
    assert is_right(found, key.hint, key.metadata)
    assert found == key.default
    assert key.doc


@pytest.mark.parametrize(("path", "bound"), BOUNDED)
def test_the_range_of_a_key_is_that_of_its_declaration(path: str, bound: str, tmp_path: Path) -> None:
    """The bound itself is taken from the command line; the next value is refused, in the words of the declaration."""
    key, beyond = KEYS[path], -1 if bound == "ge" else 1
    limit = key.metadata[bound]
    (tmp_path / "c.yaml").write_text(ENDS)
    assert config.load(tmp_path / "c.yaml", [f"{path}={limit + 0}"]).problems == ()
    [problem] = config.load(tmp_path / "c.yaml", [f"{path}={limit + beyond}"]).problems
    assert problem.want == f"wants {key.wants}"


def test_only_types_with_words_of_their_own_need_a_type() -> None:
    """Every type that is not plain says what it wants, reads it, and has a schema."""
    special = {key.hint for key in KEYS.values() if is_parameter_type(key.hint)}
    assert {Credit, MaxFailures, Cores, Nbytes, Duration} <= special
    assert all(hint.wants and hint.schema for hint in special)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("500 ms", 0.5), (7, 7), (1.5, 1.5)]
)
def test_durations(text: object, seconds: float) -> None:
    """A time has a unit, or is a number of seconds."""
    assert Duration.read(text) == seconds


@pytest.mark.parametrize(
    ("text", "nbytes"), [("512MB", 512_000_000), ("2GiB", 2 << 30), ("1.5 kB", 1500), ("8k", 8192), (70_000, 70_000)]
)
def test_sizes(text: object, nbytes: int) -> None:
    """A size has a unit, or is a number of bytes."""
    assert Nbytes.read(text) == nbytes


@pytest.mark.parametrize(
    "value", ["", "5", "MB", "-1MB", "1e3MB", True, None, [], float("nan"), float("inf"), "9" * 400, 0]
)
def test_what_is_no_size(value: object) -> None:
    """Anything else is refused, and never an exception of another kind."""
    with pytest.raises(ValueError):
        Nbytes.read(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Duration(0.01), "10ms"), (Duration(1.5), "1500ms"), (Duration(60), "1m"), (Duration(86400), "24h"),
        (Duration(90), "90s"), (Nbytes(512 << 20), "512MiB"), (Nbytes(1000), "1000B"), (Credit(), "auto"),
        (Credit(3, 3), "3"), (MaxFailures(3), "3"), (MaxFailures(share=0.125), "12.5%"), (MaxFailures(), "none"),
        (Cores(), "auto"), (Cores(auto=False), "none"), (Cores((0, 2), auto=False), "0,2"), (Name("a-b"), "a-b"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_a_config_writes_it(value: Any, text: str) -> None:
    """And what is written is read as the same value."""
    assert str(value) == text
    plain = int(text) if text.isdigit() and not isinstance(value, Cores) else text
    assert type(value).read(plain) == value


@pytest.mark.parametrize(
    ("text", "cores"), [("0-3,6", (0, 1, 2, 3, 6)), ("5", (5,)), ("2, 0-1", (0, 1, 2)), ("1,1", (1,))]
)
def test_lists_of_cores(text: str, cores: tuple[int, ...]) -> None:
    """Single cores and ranges, sorted, each once."""
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1--2", "3-1", "1;2", "0-999999", "٣", "1,,2"])
def test_what_is_no_list_of_cores(text: str) -> None:
    """Anything else is refused, and no range is ever expanded to millions."""
    with pytest.raises(UsageError):
        parse_cores(text)
