"""The pages below docs/ are made from the declarations, and what they show is right."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from pipeline import config, planner, registry

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
assert spec is not None
assert spec.loader is not None
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)
BLOCKS = [
    (page, block) for page, make in generate.PAGES.items() for block in re.findall(r"(?ms)^```yaml\n(.*?)^```", make())
]


@pytest.mark.parametrize("page", generate.PAGES)
def test_pages_are_what_the_declarations_say(page: str) -> None:
    """After a change of a parameter run `python docs/generate.py`."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == generate.PAGES[page]()


def test_every_component_has_its_entry() -> None:
    """Each with an example config."""
    text = generate.stages()
    every = [name for kind in registry.KINDS for name in registry.names(kind)]
    assert all(f"\n### {name}\n" in text for name in every)
    assert len([page for page, _ in BLOCKS if page == "stages.md"]) == len(every)


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_config_shown_is_right(page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planned without a problem, in a folder that holds the samples and a list."""
    monkeypatch.chdir(tmp_path)
    Path("samples").symlink_to(ROOT / "samples")
    Path("files.txt").write_text("samples/photos/shore.jpg\n")
    Path("c.yaml").write_text(block)
    planner.build(config.load("c.yaml"))
