"""What every component must keep to, asked of each file in stages/: a new one is tested unasked."""

from __future__ import annotations

import ast
import dataclasses
import sys
from pathlib import Path

import pytest
from components import FILES, class_of, make

from pipeline.registry import parameters

ALLOWED = {"pipeline", "numpy", "__future__"}  # and the standard library, and what components share


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestEveryComponent:
    def test_is_a_frozen_dataclass_with_documented_fields(self, path: Path) -> None:
        """The class is frozen, has a docstring, and each field says what it is for."""
        cls = class_of(path)
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert cls.__doc__
        assert not cls.__doc__.startswith(f"{cls.__name__}(")
        for parameter in dataclasses.fields(cls):
            assert parameter.metadata.get("doc"), f"{cls.__name__}.{parameter.name} has no doc"
            assert set(parameter.metadata) <= {"doc", "unit", "ge", "gt", "le", "lt", "pixels", "file"}
        names = {parameter.name for parameter in dataclasses.fields(cls)}
        required = {parameter.name for parameter in parameters(cls) if parameter.required}
        assert required <= set(cls.example) <= names, "the example holds every parameter that must be given"

    def test_no_parameter_hides_a_method_of_the_contract(self, path: Path) -> None:
        """A field named like a method of the base class would make that method uncallable."""
        cls = class_of(path)
        for parameter in dataclasses.fields(cls):
            assert not callable(getattr(cls.__mro__[1], parameter.name, None)), parameter.name

    def test_imports_no_backend_at_its_top(self, path: Path) -> None:
        """Listing and checking stay fast and work without libGL: only pipeline, numpy and the standard library."""
        for node in ast.parse(path.read_text()).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, "relative imports lead to other stages"
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                if name.startswith("stages.media"):
                    continue
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"
                assert top != "pipeline" or name == "pipeline", f"{path.name} reaches into {name}"

    def test_never_imports_another_stage(self, path: Path) -> None:
        """No import, at any depth, of `stages` but what stands in `stages.media`, which holds none."""
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("stages") for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("stages") or (node.module or "").startswith("stages.media")

    def test_opens_and_closes(self, path: Path, tmp_path: Path) -> None:
        """`open` and `close` need nothing else, and may be called on a fresh instance."""
        stage = make(class_of(path), tmp_path)
        stage.open()
        stage.close()
