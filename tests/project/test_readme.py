"""The documents say what is so: commands run, configs check, links and targets exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import config
from pipeline.errors import Exit
from pipeline.plan import planning

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line.partition("  #")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.strip()]


def test_the_two_commands_stand_first() -> None:
    """A newcomer reads `make run` and `make test` before anything else that can be typed."""
    assert COMMANDS[:2] == ["make run", "make test"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_named_targets_exist(command: str) -> None:
    """Each `make TARGET` of the README is one that `make help` lists."""
    assert re.search(rf"^{command.split()[1]}:.*## ", MAKEFILE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("pipeline ")])
def test_commands_run(command: str, tmp_path: Path) -> None:
    """Each `pipeline ...` of the README ends well, in a folder that holds configs and samples only (`tune` in 10 s)."""
    for name in ("configs", "samples"):
        (tmp_path / name).symlink_to(ROOT / name)
    args = [sys.executable, "-m", "pipeline.cli", *shlex.split(command)[1:]]
    args += ["--seconds", "10"] if "tune" in args and "--seconds" not in args else []
    done = subprocess.run(args, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60, env=_environ())
    assert done.returncode == 0, done.stderr


def _environ() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if "./negative.py" not in text])
def test_configs_of_the_readme_are_right(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each YAML block is a config without a problem or a note."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "c.yaml").write_text(text)
    assert planning.build(config.load(tmp_path / "c.yaml")).notes == ()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Files that a page links to exist."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []


def test_exit_codes_are_all_explained() -> None:
    """The table of the README has a row for each exit code."""
    rows = {
        int(code) for row in re.findall(r"^\| ([0-9, ]+) \|", README, flags=re.MULTILINE) for code in row.split(",")
    }
    assert rows == {int(code) for code in Exit}


def test_no_host_of_a_package_index_is_named() -> None:
    """Where packages come from is the user's setting."""
    for name in ("Makefile", ".ci/run", "pyproject.toml"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_ci_is_what_make_does() -> None:
    """`.ci/run` is executable and ends in lint, types and tests."""
    path = ROOT / ".ci/run"
    assert path.stat().st_mode & 0o111
    assert path.read_text().rstrip().endswith("exec make lint type test")


def test_the_stage_of_ones_own_runs_as_shown(tmp_path: Path) -> None:
    """The function and its config, written to the files that the text names, with the command that it gives."""
    code = next(block for block in blocks("python") if block.startswith("# negative.py"))
    text = next(block for block in blocks("yaml") if "./negative.py" in block)
    (tmp_path / "negative.py").write_text(code)
    (tmp_path / "negative.yaml").write_text(text)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (command,) = re.findall(r"`(pipeline run negative.yaml [^`]*)`", README)
    args = [sys.executable, "-m", "pipeline.cli", *shlex.split(command)[1:]]
    done = subprocess.run(args, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60, env=_environ())
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("*.png"))) == 12


def test_python_that_is_shown_runs(tmp_path: Path) -> None:
    """As a script without a guard, in a folder that holds configs and samples only."""
    (code,) = [block for block in blocks("python") if block.startswith("import pipeline")]
    (tmp_path / "script.py").write_text(code)
    for name in ("configs", "samples"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
        env=_environ(),
    )
    assert done.returncode == 0, done.stderr
    first, *frames = done.stdout.splitlines()
    assert first == "2 done, 0 failed"
    assert len(frames) >= 4
    assert all(line.endswith("(224, 224, 3)") for line in frames)
