"""The ledger, failures and what `--json` prints; errors in one line."""

from __future__ import annotations

import errno
import json
import pickle

import pytest

from pipeline import errors
from pipeline.contracts.ledger import OUTCOMES, Ledger
from pipeline.contracts.problem import ConfigError, Mark, Problem
from pipeline.contracts.spec import Spec
from pipeline.errors import Exit, ItemError, MissingCodec, PipelineError, SpecError, Stall, kind_of, one_line
from pipeline.supervisor.report import Failure, GroupReport, Report


def test_the_ledger_balances_when_every_item_has_one_end() -> None:
    """found = done + up_to_date + skipped + failed + quarantined + cancelled; the budget counts two of them."""
    ledger = Ledger(found=21, done=1, up_to_date=2, skipped=3, failed=4, quarantined=5, cancelled=6)
    assert (ledger.finished, ledger.lost, ledger.balances) == (21, 9, True)
    for outcome in OUTCOMES:
        assert not Ledger(**{outcome: 1}).balances


def test_the_report_as_json() -> None:
    """The counts stand at the top level, everything is plain, and an item of undecodable bytes round-trips."""
    report = Report(
        ledger=Ledger(found=1, failed=1),
        exit_code=Exit.SOME_FAILED,
        failures=[Failure("caf\udce9.jpg", "read", "input", "is empty")],
        groups=[GroupReport("reader", 2, [0, 1])],
    )
    data = json.loads(json.dumps(report.as_json()))
    assert (data["found"], data["failed"], data["done"], data["exit_code"]) == (1, 1, 0, 1)
    told = {"item": "caf\udce9.jpg", "stage": "read", "kind": "input", "reason": "is empty"}
    assert data["failures"] == [told | dict.fromkeys(("what", "where", "limit", "remedy", "traceback"), "")]
    assert data["groups"][0]["cores"] == [0, 1]
    assert "ledger" not in data
    for key in ("seconds", "first_output_s", "bytes_in", "bytes_out", "bottleneck", "peak_memory", "versions", "skips"):
        assert key in data


@pytest.mark.parametrize(
    ("error", "kind", "line"),
    [
        (ItemError("is empty", limit="0 bytes", remedy="write it"), "input", "is empty; 0 bytes; write it"),
        (ItemError("is empty", where="a.jpg"), "input", "a.jpg: is empty"),
        (MissingCodec("is unknown"), "format", "is unknown"),
        (SpecError("wants rgb"), "spec", "wants rgb"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "vanished", "no such file or directory"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission", "permission denied"),
        (OSError(errno.EIO, "Input/output error"), "io", "input/output error"),
        (OSError("broken"), "io", "OSError: broken"),
        (MemoryError(), "memory", "MemoryError:"),
        (ValueError("two\n  lines"), "error", "ValueError: two lines"),
    ],
)
def test_an_error_in_one_line(error: BaseException, kind: str, line: str) -> None:
    """Kind in one word and reason in one line, whatever was raised."""
    assert (kind_of(error), one_line(error)) == (kind, line)
    assert len(one_line(ValueError("x" * 9999))) == 2000


def test_errors_are_builtins_survive_pickle_and_have_codes() -> None:
    """Every class has an exit code, can be caught as the fitting builtin, and goes through a pipe whole."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PipelineError)]
    for cls in classes:
        error = cls("what", where="w", limit="l", remedy="r")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.limit) == (cls, "w: what; l; r", "l")
        assert isinstance(cls.exit_code, Exit)
    assert isinstance(Stall("x"), TimeoutError)
    assert isinstance(ItemError("x"), ValueError)
    config = ConfigError([Problem(Mark("c.yaml", 2, 3), "b"), Problem(Mark("c.yaml", 1, 9), "a")])
    assert str(pickle.loads(pickle.dumps(config))) == "c.yaml:1:9: a\nc.yaml:2:3: b"


def test_a_spec_is_what_it_requires() -> None:
    """`require` takes the Spec or names what is wanted; rgb is not rgba, though its letters stand in it."""
    spec = Spec.of("rgb", 4, 5)
    assert spec.require(dtype="uint8", model="rgb") is spec
    assert spec.require(dtype=("uint16", "uint8"), model=("gray", "rgb")) is spec
    for wants in ({"model": "rgba"}, {"model": ("gray", "rgba")}, {"dtype": "uint16"}, {"dtype": ("float32",)}):
        with pytest.raises(SpecError, match=r"wants .*, got"):
            spec.require(**wants)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="got gray"):
        Spec.of("gray", 1, 1).require(model="gray_alpha")
    with pytest.raises(SpecError, match="has no pixels"):
        Spec(0, 5)
