"""Own stages: a class, a plain function, a file, a module; and runs from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

import pipeline
from pipeline import ConfigError, Spec, SpecError, UsageError, registry
from pipeline.contracts.stage import Transform
from pipeline.registry.function_stage import transform_of

NEGATIVE = """
from dataclasses import dataclass
import numpy as np
from pipeline import Transform

@dataclass(frozen=True)
class Negative(Transform):
    def process(self, frame, out):
        np.subtract(255, frame.pixels, out=out)
"""
FUNCTION = """
def dim(pixels, by: int = 2):
    return pixels // by
"""
CONFIG = """
version: 1
reader: {{use: folder, path: in, workers: 1}}
transforms: [{{name: own, workers: 1, stages: [{stage}]}}]
writer: {{use: files, path: 'out/{{stem}}.png', workers: 1}}
queues: {{memory: 16MiB}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one white picture, a module, and two files of code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("in").mkdir()
    Image.new("RGB", (6, 4), (250, 200, 100)).save("in/a.png")
    Path("negative.py").write_text(NEGATIVE)
    Path("dim.py").write_text(FUNCTION)
    Path("own_package").mkdir()
    Path("own_package/__init__.py").touch()
    Path("own_package/steps.py").write_text(NEGATIVE)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "colour"),
    [
        ("{use: './negative.py:Negative'}", (5, 55, 155)),
        ("{use: ./negative.py}", (5, 55, 155)),
        ("{use: 'own_package.steps:Negative'}", (5, 55, 155)),
        ("{use: own_package.steps}", (5, 55, 155)),
        ("{use: ./dim.py}", (125, 100, 50)),
        ("{use: './dim.py:dim', with: {by: 50}}", (5, 4, 2)),
    ],
)
def test_own_code_runs_in_every_form(here: Path, stage: str, colour: tuple[int, ...]) -> None:
    """Class and function, in a file and in a module, named or the only one there."""
    Path("c.yaml").write_text(CONFIG.format(stage=stage))
    report = pipeline.run("c.yaml", allow_code=True)
    assert (report.exit_code, report.ledger.done) == (0, 1)
    assert colour_of("out/a.png") == colour


def test_own_code_is_refused_without_leave_and_not_imported(here: Path) -> None:
    """The message points at the place and names the flag; nothing of the file runs."""
    Path("evil.py").write_text("open('ran', 'w')")
    Path("c.yaml").write_text(CONFIG.format(stage="{use: ./evil.py}"))
    with pytest.raises(ConfigError, match=r"c.yaml:4:\d+: './evil.py' names code of yours; .*--allow-code"):
        pipeline.run("c.yaml")
    assert not Path("ran").exists()


def test_parameters_of_a_function_are_checked(here: Path) -> None:
    """Type and name, as for any other stage."""
    Path("c.yaml").write_text(CONFIG.format(stage="{use: ./dim.py, with: {by: two, bye: 1}}"))
    with pytest.raises(ConfigError) as caught:
        pipeline.run("c.yaml", allow_code=True)
    text = "\n".join(map(str, caught.value.problems))
    assert "wants a whole number" in text
    assert "unknown parameter 'bye' of dim; did you mean 'by'?" in text


def test_a_script_needs_no_guard(here: Path) -> None:
    """Workers never import the script, so it does not start itself over and over."""
    Path("c.yaml").write_text(CONFIG.format(stage="{use: ./dim.py}"))
    Path("script.py").write_text(
        "import pipeline\nprint('once')\n"
        "report = pipeline.run('c.yaml', {'transforms.own.dim.by': 5}, workers={'all': 2}, limit=1, allow_code=True)\n"
        "print(report.ledger.done)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.split() == ["once", "1"]
    assert colour_of("out/a.png") == (50, 40, 20)


def colour_of(path: str) -> object:
    with Image.open(path) as image:
        return image.getpixel((0, 0))


def made(function: object) -> Transform:
    return transform_of(function)()  # type: ignore[arg-type]


def test_a_function_may_change_size_channels_and_dtype() -> None:
    """What it returns is learned once per Spec."""
    stage = made(lambda pixels: pixels[::2, :, 0].astype(np.uint16))
    assert stage.output_spec(Spec.of("rgb", 9, 4)) == Spec.of("gray", 5, 4, dtype="uint16")
    assert made(lambda pixels: pixels).output_spec(Spec.of("rgba", 3, 3)) == Spec.of("rgba", 3, 3)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda pixels: pixels * 0.5, r"returned an array \(4, 4, 3\) float64; wants .*; end it in `.astype"),
        (lambda _: None, "returned NoneType; wants .*; return the pixels"),
        (lambda pixels: pixels[0, 0], "returned an array"),
    ],
)
def test_a_function_that_returns_no_picture_is_refused(function: object, said: str) -> None:
    """With what it returned and what to write instead."""
    with pytest.raises(SpecError, match=said):
        made(function).output_spec(Spec.of("rgb", 4, 4))


def test_a_module_of_several_components_asks_for_a_name(here: Path) -> None:
    """Which of them is meant is not guessed."""
    Path("two.py").write_text("def a(pixels): return pixels\ndef b(pixels): return pixels\n")
    with pytest.raises(UsageError, match=r"./two.py holds 2 transforms: a, b; name one, as ./two.py:Name"):
        registry.resolve("transform", "./two.py", allow_code=True)
