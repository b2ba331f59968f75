"""Names to classes, and the strict check of parameters."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner

from pipeline import Colour, Transform, registry
from pipeline.cli.app import main
from pipeline.contracts.parameter_types import Duration, Nbytes
from pipeline.contracts.parameters import takes_text
from pipeline.errors import EnvironmentRefusal, UsageError

OWN = """\
from dataclasses import dataclass
from pipeline import Transform

@dataclass(frozen=True)
class Blur(Transform):
    radius: int = 3

class NoStage: ...

def function(pixels): return pixels
number = 3
"""


@dataclass(frozen=True)
class Everything(Transform):
    """Every type a parameter may have."""

    count: int = field(metadata={"ge": 1, "le": 9, "doc": "how many"})
    ratio: float = field(default=0.5, metadata={"gt": 0, "lt": 9})
    name: str = "x"
    flag: bool = False
    mode: Literal["a", "b"] = "a"
    size: int | None = field(default=None, metadata={"ge": 1, "unit": "px"})
    either: int | Literal["auto"] = "auto"
    many: tuple[str, ...] = ()
    pair: tuple[int, int] = (0, 0)
    rows: list[int] = field(default_factory=list)
    table: dict[str, int] = field(default_factory=dict)
    ink: Colour = Colour(0, 0, 0)
    wait: Duration | None = field(default=None, metadata={"ge": Duration(1), "le": Duration(60)})
    room: Nbytes | Literal["auto"] = field(default="auto", metadata={"ge": Nbytes(1024)})
    anything: Any = None


def found(**values: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Path and kind of each finding."""
    return [(finding.path, finding.kind) for finding in registry.check(Everything, values)[1]]


def test_right_parameters_come_back_as_the_fields_want_them() -> None:
    """A list becomes a tuple where the field is one; nothing else is converted."""
    given = {
        "count": 9, "ratio": 0.25, "name": "caf\udce9", "flag": True, "mode": "b", "size": None, "either": 3,
        "many": ["a", "b"], "pair": [1, 2], "rows": [1], "table": {"a": 1}, "ink": "#ff0000", "wait": "2s",
        "room": "1MiB", "anything": [None],
    }  # fmt: skip
    values, findings = registry.check(Everything, given)
    assert findings == []
    read = {"ink": Colour(255, 0, 0), "wait": Duration(2), "room": Nbytes(1 << 20)}
    assert values == given | {"many": ("a", "b"), "pair": (1, 2)} | read
    assert registry.build(Everything, values).many == ("a", "b")


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("count", 0, ()), ("count", 10, ()), ("count", "3", ()), ("count", True, ()), ("count", 3.0, ()),
        ("ratio", 0.0, ()), ("ratio", 9, ()), ("ratio", float("nan"), ()), ("name", 3, ()), ("name", None, ()),
        ("flag", 1, ()), ("flag", "true", ()), ("mode", "c", ()), ("size", 0, ()), ("either", "atuo", ()),
        ("many", "a", ()), ("many", ["a", 3], (1,)), ("pair", [1], ()), ("rows", [1, "x"], (1,)),
        ("table", {"a": "x"}, ()), ("ink", "red", ()), ("wait", "61s", ()), ("wait", "soon", ()), ("room", "1kB", ()),
    ],
)  # fmt: skip
def test_wrong_parameters_are_found_one_by_one(name: str, value: object, path: tuple[int, ...]) -> None:
    """Types are strict, ranges hold, and the path leads to the entry of a list."""
    [(where, kind)] = found(**({"count": 1} | {name: value}))
    assert kind in ("wrong", "missing")
    assert where[: 1 + len(path)] == (name, *path)


def test_unknown_and_missing_parameters_are_found_together() -> None:
    """All findings come at once, a near name with the unknown one."""
    _, findings = registry.check(Everything, {"ratoi": 1, "name": 3})
    assert {(finding.path[0], finding.kind) for finding in findings} == {
        ("count", "missing"), ("ratoi", "unknown"), ("name", "wrong"),
    }  # fmt: skip
    assert next(f.wants for f in findings if f.kind == "unknown") == "did you mean 'ratio'?"


def test_a_whole_number_is_a_number() -> None:
    """`ratio: 1` need not be written 1.0; the bounds still hold."""
    values, findings = registry.check(Everything, {"count": 1, "ratio": 1, "either": "auto"})
    assert findings == []
    assert registry.build(Everything, values).ratio == 1


def test_parameters_are_described_in_words() -> None:
    """Type, range, unit, default and documentation of each field."""
    wants = {parameter.name: parameter.wants for parameter in registry.parameters(Everything)}
    assert wants["count"] == "a whole number from 1 to 9"
    assert wants["ratio"] == "a number more than 0 less than 9"
    assert wants["mode"] == "one of a, b"
    assert wants["size"] == "a whole number at least 1 px or null"
    assert wants["either"] == "a whole number, or auto"
    assert wants["many"] == "a list of text"
    assert wants["pair"] == "a list of a whole number, a whole number"
    assert wants["wait"] == "a time such as 30s or 2m, from 1s to 1m or null"
    assert wants["room"] == "a size such as 512MB or 2GiB, at least 1KiB, or auto"
    first = registry.parameters(Everything)[0]
    assert (first.required, first.doc) == (True, "how many")


def test_only_text_takes_text_as_it_is() -> None:
    """What the command line hands over raw: text, words of text, text or null."""
    assert [each.name for each in registry.parameters(Everything) if takes_text(each.hint)] == ["name", "mode", "ink"]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_names_are_those_of_the_folder(kind: str) -> None:
    """Every file of the folder is listed, and each holds one class of its kind with documentation."""
    assert registry.names(kind)
    for name in registry.names(kind):
        described = registry.describe(kind, name)
        assert described["ref"].startswith(f"stages.{kind}s.{name}:")
        assert described["doc"].strip()
        assert issubclass(registry.load(described["ref"]), registry.KINDS[kind])


def test_listing_names_imports_no_component() -> None:
    """The list comes from the folder alone."""
    code = (
        "import sys; from pipeline import registry; [registry.names(kind) for kind in registry.KINDS];"
        "print([name for name in sys.modules if name.startswith('stages.') and name.count('.') > 1 or name == 'numpy'])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_one_name_imports_one_component() -> None:
    """Looking a name up imports that file and no other."""
    code = (
        "import sys; from pipeline import registry; registry.resolve('transform', 'identity');"
        "print([name for name in sys.modules if name.startswith('stages.') and name.count('.') > 1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['stages.transforms.identity']\n"


def test_an_unknown_name_brings_the_nearest() -> None:
    """A misspelt name is answered with the one that was meant, a name of another kind with its kind."""
    with pytest.raises(UsageError, match="unknown transform 'reszie'; did you mean 'resize'"):
        registry.resolve("transform", "reszie")
    with pytest.raises(UsageError, match="unknown writer 'folder'; folder is a reader"):
        registry.resolve("writer", "folder")


def test_code_is_refused_and_not_imported_without_the_flag(tmp_path: Path) -> None:
    """A config that names code needs --allow-code; the file is not even opened."""
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    for use in (f"{tmp_path}/trap.py:Trap", "./trap.py", "this.that:Trap"):
        with pytest.raises(UsageError, match="--allow-code"):
            registry.resolve("transform", use)


def test_code_by_file_and_by_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the flag, a class is loaded from a file or from an importable module; its reference loads it again."""
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    ref = registry.resolve("transform", "./mine.py:Blur", allow_code=True)
    assert ref == f"{tmp_path}/mine.py:Blur"
    assert registry.load(ref)(radius=4).radius == 4
    assert registry.load(ref) is registry.load(ref)
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.resolve("transform", "mine:Blur", allow_code=True) == "mine:Blur"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("./two.py", "./two.py holds 2 transforms: A, B; name one, as ./two.py:Name"),
        ("./mine.py:Blurr", "./mine.py has no class 'Blurr'; did you mean 'Blur'?"),
        ("./mine.py:NoStage", "'./mine.py:NoStage' is no transform; want a class that derives from pipeline.Transform"),
        (
            "./mine.py:number",
            "./mine.py:number is neither class nor function;"
            " want a class that derives from a contract, or def f(pixels)",
        ),
        ("./none.py:Blur", "there is no file ./none.py"),
        ("no.such:Blur", "there is no module no.such"),
        ("./broken.py:X", "importing './broken.py:X' failed: ZeroDivisionError: division by zero"),
    ],
)
def test_code_that_cannot_be_loaded_is_refused(
    use: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way in which own code may fail to load has its message."""
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    two = "from pipeline import Transform\nclass A(Transform): ...\nclass B(Transform): ...\n"
    (tmp_path / "two.py").write_text(two)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        registry.resolve("transform", use, allow_code=True)
    assert str(caught.value) == message


def test_a_missing_library_is_a_matter_of_the_environment(tmp_path: Path) -> None:
    """A component whose file imports what is not installed exits 4, not 2."""
    (tmp_path / "needy.py").write_text("import no_such_library\n")
    with pytest.raises(UsageError, match="No module named 'no_such_library'"):
        registry.resolve("transform", f"{tmp_path}/needy.py:X", allow_code=True)
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(EnvironmentRefusal, match="needy needs no_such_library, which is not installed"):
            registry.load("needy:X")
    finally:
        sys.path.remove(str(tmp_path))


ENTRIES = """[pipeline.stages]
their_blur = their_stages:Blur
their_dim = their_stages:dim
their_lost = no_such_package:X
their.dotted = their_stages:Blur
"""


def test_installed_components_are_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that declares the entry point is trusted; it is asked only for names that are not built in."""
    (tmp_path / "their_stages.py").write_text(OWN + "\n\ndef dim(pixels):\n    return pixels // 2\n")
    info = tmp_path / "their_stages-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-stages\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.resolve("transform", "their_blur") == "their_stages:Blur"
    with pytest.raises(UsageError, match="unknown reader 'their_blur'"):
        registry.resolve("reader", "their_blur")
    assert registry.resolve("transform", "their_dim") == "their_stages:dim"
    with pytest.raises(EnvironmentRefusal, match="no_such_package:X: 'their_lost' needs no_such_package"):
        registry.resolve("transform", "their_lost")
    assert registry.installed() == [("transform", "their_blur"), ("transform", "their_dim")]
    listed = CliRunner().invoke(main, ["stages"]).output
    assert "  their_blur " in listed
    assert "their_stages:dim" in CliRunner().invoke(main, ["stages", "their_dim"]).output
