"""`pipeline repro`: one item of a run alone, in one process, with everything logged and packed into one file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import text
from .address import addressed, addressed_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..journal.history import NotDone, PastRun

TIMES = 10  # as long as `timeout` allows a frame; for an item that hung before


@click.command(short_help="Run one item alone and pack what is needed to look at it.")
@addressed
@click.argument("item")
@click.option("--with-input", is_flag=True, help="Put the input file into the pack too.")
@click.option("--output", metavar="FILE", help="The pack; repro-ITEM.tar.gz where it is not said.")
@click.option("--allow-code", is_flag=True, help="Run stages that the config names as code of yours.")
@click.pass_context
def command(
    context: click.Context, address: str, number: int | None, overrides: tuple[str, ...], as_json: bool, item: str,
    with_input: bool, output: str | None, allow_code: bool,
) -> None:  # fmt: skip
    """Run ITEM of RUN alone, one stage after the other in one process, with the config of that run.

    ITEM is a path, or one below the folder of the inputs. The outputs go to a scratch folder. The pack holds config,
    command, versions, report, log and traceback, and what the process printed. Nothing confines the process. Exit
    code: that of the run.
    """
    from ..journal.history import History

    where = addressed_by(address, overrides)
    with History(where.state) as history:
        run = history.run(number, where.job)
        lost = next((one for one in history.not_done(run.number) if item in (one.item, one.source)), None)
    source = _source(run, overrides, item, lost)
    if with_input and not source:
        raise UsageError(f"the input {item!r} was not found, so it cannot be packed", remedy="give its path")
    pack = os.path.abspath(output or f"repro-{os.path.basename(item)}.tar.gz")
    with tempfile.TemporaryDirectory(prefix="pipeline-repro-") as folder:
        limit_s = _limit_s(run, overrides) if lost is not None and lost.cause.kind == "timeout" else None
        told = _run_alone(run, overrides, source or item, folder, limit_s, allow_code=allow_code)
        _write_pack(pack, folder, told, run, source if with_input else "")
    if as_json:
        text.print_json(told | {"pack": pack})
    else:
        for line in _lines(told, pack):
            click.echo(text.shown(line))
    context.exit(told["exit_code"] if told["exit_code"] >= 0 else 1)


def _run_alone(
    run: PastRun, overrides: tuple[str, ...], item: str, folder: str, limit_s: float | None, *, allow_code: bool
) -> dict[str, Any]:
    """The item in a process of its own, which it may end; what came of it."""
    if not run.config:
        raise UsageError(f"run {run.number} kept no config", remedy="name another with --run N")
    before = dict(run.command)
    config = os.path.join(folder, "config.yaml")
    with open(config, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(run.config)
    sets = [*before.get("set", []), *overrides]
    home = _home(run)
    # -P: modules that lie in the folder of the run are not taken for ours
    argv = [sys.executable, "-P", "-X", "faulthandler", "-m", "pipeline.cli", "run", config, "--serial", "--json", "-v"]
    argv += ["--only", item, "--log", os.path.join(folder, "log.jsonl"), *(["--allow-code"] if allow_code else [])]
    for each in [*sets, *_scratch(run, sets, folder)]:
        argv += ["--set", each]
    try:
        done = subprocess.run(  # noqa: S603 - this program, with the config of a run of the user
            argv, cwd=home, capture_output=True, check=False, timeout=limit_s
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        code, out, err = -9, late.stdout or b"", (late.stderr or b"") + f"\nended after {limit_s:g} s\n".encode()
    report = _report(out)
    if report.get("exit_code") == 2:
        raise UsageError(report.get("error") or report.get("stopped") or err.decode("utf-8", "replace").strip())
    return {"item": item, "run": run.number, "exit_code": code, "report": report,
            "stderr": err.decode("utf-8", "backslashreplace"), "command": before | {"set": sets}}  # fmt: skip


def _scratch(run: PastRun, sets: list[str], folder: str) -> list[str]:
    """Settings that lead the outputs, and the journal of this run, to the scratch folder; nothing ends it early."""
    from ..contracts.template import folder_of

    found = _config(run, sets)
    path = found.writer.stages[0].params.value.get("path")
    settings = [f"state_dir={folder}/state", "on_error.max_failures=none", "sandbox=auto"]
    if path is not None and isinstance(path.plain, str):
        below = path.plain.removeprefix(folder_of(path.plain)).lstrip("/")
        settings.append(f"writer.path={folder}/out/{below}")
    return settings


def _config(run: PastRun, sets: Sequence[str]) -> Any:
    from .. import config as configs

    return configs.load(str(run.command.get("config", "")), sets, (), text=run.config)


def _limit_s(run: PastRun, overrides: Sequence[str]) -> float:
    return float(_config(run, [*run.command.get("set", []), *overrides]).settings.timeout_s) * TIMES


def _home(run: PastRun) -> str:
    """The folder that relative paths of the run are relative to."""
    home = str(run.command.get("folder") or ".")
    return home if os.path.isdir(home) else "."


def _report(out: bytes) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(out)
    except ValueError:
        return {}  # the process ended before it could say it
    return report


def _write_pack(pack: str, folder: str, told: dict[str, Any], run: PastRun, source: str) -> None:
    from ..journal.versions import versions

    failures = told["report"].get("failures", [])
    texts = {
        "config.yaml": run.config,
        "command.json": json.dumps(told["command"], indent=2),
        "versions.json": json.dumps({"python": sys.version, "platform": sys.platform, **versions()}, indent=2),
        "report.json": json.dumps(told["report"], indent=2),
        "stderr.txt": told["stderr"],
        "traceback.txt": "\n\n".join(each["traceback"] for each in failures if each["traceback"]),
    }
    log = os.path.join(folder, "log.jsonl")
    try:
        with tarfile.open(pack, "w:gz") as archive:
            for name, words in texts.items():
                _add(archive, name, words.encode("utf-8", "surrogateescape"))
            if os.path.exists(log):
                archive.add(log, "log.jsonl")
            if source:
                archive.add(source, f"input/{os.path.basename(source)}")
    except OSError as error:
        raise UsageError(
            f"cannot write the pack {pack!r}: {error.strerror}", remedy="name another: --output"
        ) from error


def _source(run: PastRun, overrides: tuple[str, ...], item: str, lost: NotDone | None) -> str:
    """The input's path: as the run names it, as it is given, or below the folder of the inputs; "" for none."""
    home, found = _home(run), _config(run, [*run.command.get("set", []), *overrides])
    path = found.reader.stages[0].params.value.get("path")
    root = path.plain if path is not None and isinstance(path.plain, str) else ""
    tries = [os.path.join(home, lost.source)] if lost is not None else []
    tries += [item, os.path.join(home, item), os.path.join(home, root, item)]
    return next((os.path.abspath(each) for each in tries if os.path.lexists(each)), "")


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _lines(told: dict[str, Any], pack: str) -> list[str]:
    code, report = told["exit_code"], told["report"]
    lines = [f"{told['item']}: exit {code}" if code >= 0 else f"{told['item']}: ended by signal {-code}"]
    lines += [f"  {each['kind']}: {each['reason']}" for each in report.get("failures", [])]
    if not report:
        lines += [f"  {line}" for line in told["stderr"].splitlines()[-12:]]
    return [*lines, f"packed into {pack}"]
