"""The pages below docs/ are made from the declarations, and what they show is right."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline import config, registry
from pipeline.plan import planning

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
    only_read = ["unread", "heic", "jpeg2000", "jpegxl", "legacy"]
    assert len([page for page, _ in BLOCKS if page == "stages.md"]) == len(every) - len(only_read)


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_config_shown_is_right(page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planned without a problem, in a folder that holds the samples and a list."""
    monkeypatch.chdir(tmp_path)
    Path("samples").symlink_to(ROOT / "samples")
    Path("files.txt").write_text("samples/photos/shore.jpg\n")
    with zipfile.ZipFile("photos.zip", "w"):
        pass
    Path("c.yaml").write_text(block)
    planning.build(config.load("c.yaml"))


VIDEO = (ROOT / "docs/video.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"(?ms)^```yaml\n(.*?)^```", VIDEO))
def test_configs_of_the_video_page_are_right(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is planned without a problem or a note."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "c.yaml").write_text(block)
    assert not planning.build(config.load(tmp_path / "c.yaml")).notes


@pytest.mark.parametrize("command", re.findall(r"(?m)^(pipeline [^#\n]*)", VIDEO))
def test_commands_of_the_video_page_run(command: str, tmp_path: Path) -> None:
    """In a folder that holds configs and samples only."""
    for name in ("configs", "samples"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = f"{sys.executable} -m pipeline.cli {command.removeprefix('pipeline ')}"
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_python_of_the_video_page_runs() -> None:
    """The loop over frames gives arrays (H, W, 3)."""
    (block,) = re.findall(r"(?ms)^```python\n(.*?)^```", VIDEO)
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 60
    assert "(180, 320, 3)" in done.stdout


def test_links_of_the_video_page_lead_somewhere() -> None:
    """Relative ones, to files that are there."""
    for link in re.findall(r"\]\(([^)#:]+)\)", VIDEO):
        assert (ROOT / "docs" / link).exists(), link
