"""Imports go down only (the floors of design.md §4), read from the source text."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the lowest to the highest. A folder imports those of lower floors; folders of one floor do not know each other.
FLOORS = (
    {"errors"},
    {"contracts"},
    {"transport"},
    {"config", "registry"},
    {"plan"},
    {"journal", "scheduler", "worker"},
    {"supervisor"},
    {"tune", "api", "cluster"},
    {"cli"},
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
LATE = {"pydantic", "pydantic_core", "ruamel", "rich", "PIL", "cv2", "av", "simplejpeg", "cykooz_resizer"}
SOURCES = sorted((ROOT / "pipeline").rglob("*.py"))
COMPONENTS = sorted((ROOT / "stages").rglob("*.py"))


def imports(path: Path, *, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """Absolute names of what a file imports, with lines; imports for type checkers only are left out."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package = package.removesuffix(".__init__") if path.name == "__init__.py" else package.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree) if not top_only else tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{home}.{alias.name}", node.lineno) for alias in node.names)


def module(name: str) -> str:
    """The module of the engine that an absolute name belongs to; "" for the package itself or another one."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "pipeline" and rest.partition(".")[0] in FLOOR else ""


def test_every_folder_has_a_floor() -> None:
    """The floors name the folders that are there; only the modules `errors` and `api` stand beside them."""
    home = ROOT / "pipeline"
    folders = {path.name for path in home.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    modules = {path.stem for path in home.glob("*.py")} - {"__init__"}
    assert modules == {"errors", "api"}
    assert set(FLOOR) == folders | modules


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path != ROOT / "pipeline" / "__init__.py"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_the_engine_imports_downwards(path: Path) -> None:
    """Each folder stands on a floor and imports lower floors only; within itself it is free."""
    own = path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")
    assert own in FLOOR, f"give {own} a floor"
    up = [
        f"line {line}: {name}"
        for name, line in imports(path)
        if (other := module(name)) and other != own and FLOOR[other] >= FLOOR[own]
    ]
    assert up == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_names_no_component_and_imports_slow_libraries_late(path: Path) -> None:
    """`stages` is loaded by name, and libraries that cost start-up time stand inside functions."""
    assert [name for name, _ in imports(path) if name.partition(".")[0] == "stages"] == []
    assert [name for name, _ in imports(path, top_only=True) if name.partition(".")[0] in LATE] == []


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_components_import_the_contracts_and_no_backend(path: Path) -> None:
    """At its top a component imports the standard library, numpy and `pipeline` itself; nowhere another component."""
    allowed = {*sys.stdlib_module_names, "numpy"}
    top = [name for name, _ in imports(path, top_only=True)]
    own = [name for name in top if name.partition(".")[0] not in allowed and not name.startswith("stages.media.")]
    assert [name for name in own if not name.startswith("pipeline.")] == []
    if "media" not in path.parts:  # what components share may know the contracts one by one
        assert [name for name in own if name.count(".") > 1] == []
    others = [name for name, _ in imports(path) if name.partition(".")[0] == "stages"]
    assert [name for name in others if name.split(".")[1] != "media"] == []
