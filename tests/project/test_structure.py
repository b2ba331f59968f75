"""Rules of the source that a reader relies on: one name for one thing, short files, nothing private is reached into."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT

KINDS = ("readers", "transforms", "writers", "codecs")
ENGINE = sorted((ROOT / "pipeline").rglob("*.py"))
SOURCES = [*ENGINE, *sorted((ROOT / "stages").rglob("*.py"))]
COMPONENTS = [path for path in SOURCES if path.parent.name in KINDS and path.stem != "__init__"]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
UNNAMED = ("__init__", "__main__")
PAIRS = {"readers", "writers"}  # a reader and a writer of one thing have files of one name
MOST_LINES, MOST_IGNORED = 300, 5
# Of named tuples and of `os`, public in spite of the underscore; and what pyvips has no public name for.
DOCUMENTED = {"_asdict", "_exit", "_fields", "_make", "_replace", "_remove_log_handler"}


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    """Every class with the file that it stands in."""
    for path, tree in TREES.items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def methods(node: ast.ClassDef) -> set[str]:
    return {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_no_two_modules_share_a_name() -> None:
    """Files and folders of pipeline/ and stages/; a component may stand among readers and among writers."""
    places = defaultdict(list)
    for path in SOURCES:
        name = path.parent.name if path.stem == "__init__" else path.stem
        if name not in UNNAMED:
            places[name].append(path)
    doubles = {
        name: [place(path) for path in paths]
        for name, paths in places.items()
        if len(paths) > 1 and not (len(paths) == 2 and {path.parent.name for path in paths} == PAIRS)
    }
    assert doubles == {}


def test_no_two_classes_share_a_name() -> None:
    """And no alias of a type is made twice."""
    places = defaultdict(list)
    for path, node in classes():
        places[node.name].append(f"{place(path)}:{node.lineno}")
    for path, tree in TREES.items():
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper():
                places[target.id].append(f"{place(path)}:{node.lineno}")
    assert [f"{name}: {', '.join(where)}" for name, where in places.items() if len(where) > 1] == []


@pytest.mark.parametrize("path", COMPONENTS, ids=place)
def test_a_component_has_its_tests_under_its_name(path: Path) -> None:
    """stages/KIND/NAME.py is tested by tests/stages/KIND/test_NAME.py, besides the contract tests of all."""
    assert (ROOT / "tests/stages" / path.parent.name / f"test_{path.name}").is_file()


@pytest.mark.parametrize("path", ENGINE, ids=place)
def test_a_file_of_the_engine_holds_one_idea(path: Path) -> None:
    """One that passes 300 lines holds two."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES


def test_types_are_ignored_in_few_places() -> None:
    """Where a type checker must be silenced the design is in doubt."""
    places = [
        f"{place(path)}:{number}"
        for path in ENGINE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "type: ignore" in line
    ]
    assert len(places) <= MOST_IGNORED, places


@pytest.mark.parametrize("path", [path for path in ENGINE if path.parent.name != "transport"], ids=place)
def test_fields_of_a_record_have_names(path: Path) -> None:
    """Only transport/, which packs records, knows at which place a field lies."""
    places = [
        f"{place(path)}:{node.lineno}"
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value).rpartition(".")[2].endswith("record")
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
    ]
    assert places == []


def test_no_private_method_of_another_module_is_overridden() -> None:
    """A class that needs another behaviour is given a collaborator."""
    by_name = {node.name: (path, node) for path, node in classes()}

    def above(node: ast.ClassDef) -> Iterator[tuple[Path, ast.ClassDef]]:
        for base in node.bases:
            name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
            if name in by_name and by_name[name][1] is not node:
                yield by_name[name]
                yield from above(by_name[name][1])

    overridden = [
        f"{place(path)}:{node.lineno} {node.name}.{name} of {place(other)}"
        for path, node in classes()
        for other, base in above(node)
        if other != path
        for name in methods(node) & methods(base)
        if private(name)
    ]
    assert overridden == []


def declared(tree: ast.Module) -> set[str]:
    """Names with an underscore that a module gives to functions, classes and attributes."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    return {name for name in names if private(name)} - DOCUMENTED


DECLARED = {path: declared(tree) for path, tree in TREES.items()}


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_no_private_name_of_another_module_is_used(path: Path) -> None:
    """What a module of ours names with an underscore is read within that module only."""
    others = set().union(*(names for other, names in DECLARED.items() if other != path)) - DECLARED[path]
    used = [
        f"{place(path)}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Attribute) and node.attr in others
    ]
    assert used == []
