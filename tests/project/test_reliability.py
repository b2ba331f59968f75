"""The page of promises names tests that exist, and every row of the table of faults."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    """A promise without its test is none."""
    named = set(re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", PAGE))
    assert len(named) > 40
    missing = [path for path, _ in named if not (ROOT / path).is_file()]
    missing += [
        f"{path}::{test}" for path, test in named
        if test and not re.search(rf"^ *def {test}\(", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]  # fmt: skip
    assert missing == []


def test_every_fault_has_its_row() -> None:
    """F1 to F36, each once, in order."""
    assert [int(number) for number in re.findall(r"^\| F(\d+) ", PAGE, flags=re.MULTILINE)] == list(range(1, 37))


def test_every_promise_names_a_test() -> None:
    """Or, in the table of faults, says why there is none."""
    rows = [row for row in re.findall(r"^\| (?!promise|fault)(.*) \|$", PAGE, flags=re.MULTILINE) if row != "---"]
    assert [row for row in rows if "tests/" not in row.split(" | ")[-1]] == []
