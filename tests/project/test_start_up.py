"""What is loaded when: help, workers and lists stay free of what they do not need."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = ("pydantic", "pydantic_core", "ruamel", "ruamel.yaml", "rich", "numpy", "PIL", "cv2", "av", "simplejpeg")
HELP = "from pipeline.cli.app import main; main(['--help'], standalone_mode=False)"
KEYS = "from pipeline import Limits; import pipeline.config.keys"  # what a Plan holds
CHECK = "from pipeline.cli.app import main; main(['check', 'configs/thumbnail.yaml'], standalone_mode=False)"


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupt:
    def find_spec(self, name, *rest):
        if name == "click":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from pipeline.cli import main
main()
"""


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of these modules a fresh interpreter has loaded after the code."""
    report = f"import sys; print('loaded', *[name for name in {names!r} if name in sys.modules])"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "code", [HELP, "import pipeline", "from pipeline import Transform", "import pipeline.worker", KEYS]
)
def test_nothing_slow_is_loaded(code: str) -> None:
    """Help, the contracts and a worker before it is pinned load no library that takes time."""
    assert loaded(code, SLOW) == []


def test_a_whole_worker_loads_no_config_library() -> None:
    """All modules of the worker and a Plan: numpy, and neither YAML nor pydantic nor the command line."""
    code = (
        "import importlib, pkgutil, pipeline.worker, pipeline.plan, pickle\n"
        "for each in pkgutil.iter_modules(pipeline.worker.__path__, 'pipeline.worker.'):\n"
        "    importlib.import_module(each.name)"
    )
    libraries = ("pydantic", "pydantic_core", "ruamel", "ruamel.yaml", "rich", "click")
    own = ("form", "mapping_reader", "node", "overrides", "yaml_errors", "yaml_guard", "yaml_source")
    assert loaded(code, (*libraries, *(f"pipeline.config.{name}" for name in own))) == []


def test_check_loads_no_backend_and_no_pydantic() -> None:
    """Linting works without libGL; a config without mistakes is not paid for with a library that finds them."""
    backends = ("cv2", "av", "PIL", "simplejpeg", "cykooz_resizer")
    assert loaded(CHECK, (*backends, "rich", "pydantic", "pydantic_core")) == []


def test_ctrl_c_while_the_commands_are_imported_prints_no_traceback() -> None:
    """The first tenths of a second of a command, before there is anything to finish: ended by the signal, silently."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
