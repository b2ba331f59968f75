"""Shards of a job make what a plain run makes: the same bytes, failures, results and exit code, once merged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import STATE, cli, command, counts, environment, plan_of, stage, tree, until, write_config
from pictures import ramp

from pipeline import UsageError
from pipeline.cluster.merged_reports import ShardReport, merged, ordered, read
from pipeline.cluster.merged_results import make_results
from pipeline.errors import EnvironmentRefusal
from pipeline.journal import Options, Told
from pipeline.journal.history import History
from pipeline.plan.model import Plan
from pipeline.plan.shard import Shard
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report
from pipeline.supervisor.sharding import sharded

FILES, TWINS, BROKEN = 60, 20, 3
RESIZE: dict[str, Any] = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
Job = Callable[..., Plan]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Pictures of which 20 have a twin that wants the same output, and three are none."""
    for number in range(FILES):
        put(tmp_path / "in" / f"{number % 3}" / f"{number:03d}.png", 40 + number)
    for number in range(TWINS):
        put(tmp_path / "in" / f"{number % 3}" / f"{number:03d}.tif", 30 + number)
    for number in range(BROKEN):
        (tmp_path / "in" / f"broken{number}.png").write_bytes(b"no picture")
    return tmp_path


def put(path: Path, width: int) -> None:
    ramp(path, width, 30)
    os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)


def files(home: Path, out: str, **keys: Any) -> Plan:
    writer = {"use": "files", "path": f"{home}/{out}/{{dir}}/{{stem}}.jpg"}
    return plan_of(home, {"use": "folder", "path": str(home / "in")}, [[RESIZE]], writer, **keys)


def reducing(home: Path, out: str, **keys: Any) -> Plan:
    told = [{name: {"path": f"{home}/{out}"}} for name in ("statistics", "checksums", "contact_sheet", "manifest")]
    return files(home, out, reducers=told, **keys)


def archives(home: Path, out: str, **keys: Any) -> Plan:
    writer = {"use": "archive", "path": f"{home}/{out}/s-{{shard}}.tar", "max_count": 9}
    return plan_of(home, {"use": "folder", "path": str(home / "in")}, [[RESIZE]], writer, **keys)


JOBS = pytest.mark.parametrize("job", [files, reducing, archives])


def one(plan: Plan, home: Path, *, run: Any = serial.run, shard: Shard | None = None, **more: Any) -> Report:
    """One run, of a shard where that is asked; its report lies in a file, as `--report` writes it."""
    told = Told({"config": str(home / "config.yaml"), "folder": str(home)} | ({"shard": str(shard)} if shard else {}))
    report: Report = run(sharded(plan, shard) if shard else plan, keep=Options(**more), told=told)
    if shard is not None:
        (home / "reports").mkdir(exist_ok=True)
        (home / "reports" / f"{shard.name}.json").write_text(json.dumps(report.as_json()))
    return report


def reports(home: Path) -> list[ShardReport]:
    return ordered([read(str(path)) for path in sorted((home / "reports").glob("*.json"))])


def together(plan: Plan, home: Path, of: int, **more: Any) -> Report:
    """All shards, the last one first, then merged."""
    shutil.rmtree(home / "reports", ignore_errors=True)
    for number in range(of, 0, -1):
        one(plan, home, shard=Shard(number, of), **more)
    return results(plan, home)


def results(plan: Plan, home: Path) -> Report:
    """What `merge-reports` does."""
    shards = reports(home)
    report = merged(shards)
    told = Told({"merges": report.shard["of"]})
    make_results(plan, told, report, [each.shard["token"] for each in shards], shards[0].shard["same"]["chain"])
    return report


def outputs(folder: Path) -> dict[str, str]:
    """Those of items, with their hashes."""
    return {name: text for name, text in tree(folder).items() if "/" in name}


def lost(report: Report) -> list[tuple[str, str, str]]:
    return sorted((failure.item, failure.kind, failure.reason) for failure in report.failures)


@JOBS
@pytest.mark.parametrize("of", [1, 3, 16])
def test_the_same_as_a_plain_run(home: Path, job: Job, of: int) -> None:
    """Bytes, failures (20 collisions, three broken files), results and exit code."""
    plain = one(job(home, "plain"), home)
    assert counts(plain)["failed"] == TWINS + BROKEN
    report = together(job(home, "shards"), home, of)
    assert counts(report) == counts(plain)
    assert lost(report) == [tuple(text.replace("/plain/", "/shards/") for text in each) for each in lost(plain)]
    assert report.exit_code == plain.exit_code
    assert report.stopped == plain.stopped
    assert tree(home / "shards") == tree(home / "plain")
    assert [os.path.basename(path) for path in report.results] == [os.path.basename(path) for path in plain.results]


@JOBS
def test_what_shards_did_a_plain_run_need_not_do(home: Path, job: Job) -> None:
    """It takes in what they wrote down; so does one shard of another number, and so does a second look."""
    for number in (1, 2, 3):
        one(job(home, "shards"), home, shard=Shard(number, 3))
    five = [one(job(home, "shards"), home, shard=Shard(number, 5)) for number in range(1, 6)]
    assert sum(report.ledger.up_to_date for report in five) == FILES
    assert sum(report.ledger.done for report in five) == 0
    before = outputs(home / "shards")
    assert counts(one(job(home, "shards"), home)) == {"up_to_date": FILES, "failed": TWINS + BROKEN}
    assert counts(one(job(home, "shards"), home)) == {"up_to_date": FILES, "failed": TWINS + BROKEN}
    assert outputs(home / "shards") == before
    assert not (home / "shards" / STATE / "segments").exists()
    one(job(home, "plain"), home)
    assert tree(home / "shards") == tree(home / "plain")


def test_fresh_is_of_one_shard(home: Path) -> None:
    """Others stay up to date."""
    together(files(home, "shards"), home, 3)
    again = one(files(home, "shards"), home, shard=Shard(2, 3), fresh=True)
    assert again.ledger.done
    assert not again.ledger.up_to_date
    assert not one(files(home, "shards"), home, shard=Shard(1, 3)).ledger.done


def test_a_retry_takes_what_failed_in_all_shards(home: Path) -> None:
    """The last run of each shard counts."""
    together(files(home, "shards"), home, 3)
    for number in range(BROKEN):
        put(home / "in" / f"broken{number}.png", 50)
    with History(str(home / "shards" / STATE)) as history:
        run = history.run().number
        assert history.run().command["shard"] == "1/3"
    assert counts(one(files(home, "shards"), home, retry=run)) == {"done": BROKEN, "failed": TWINS}


@JOBS
def test_a_journal_that_keeps_few_runs(home: Path, job: Job) -> None:
    """The last run of each shard is kept as long as it takes: results are of all of them."""
    one(job(home, "plain"), home)
    together(job(home, "shards", keep_runs=1), home, 5)
    assert tree(home / "shards") == tree(home / "plain")
    assert counts(one(job(home, "shards", keep_runs=1), home)) == {"up_to_date": FILES, "failed": TWINS + BROKEN}
    assert tree(home / "shards") == tree(home / "plain")


@JOBS
def test_reports_that_are_merged_once_more_after_a_plain_run(home: Path, job: Job) -> None:
    """Nothing is touched: what that has found since then stays in the results."""
    together(job(home, "shards"), home, 3)
    put(home / "in" / "late.png", 77)
    one(job(home, "shards"), home)
    before = tree(home / "shards")
    report = results(job(home, "shards"), home)
    assert report.exit_code == (1 if job is files else 3)
    assert tree(home / "shards") == before
    one(job(home, "plain"), home)
    assert tree(home / "plain") == before


def test_a_shard_that_was_killed_goes_on(home: Path) -> None:
    """kill -9 in the middle; what it had done is up to date, temporary files go, the tree is that of a plain run."""
    slow = stage("stages_for_tests.steps:Pause", ms=80)
    keys = ({"use": "folder", "path": str(home / "in")}, [[RESIZE, slow]])
    path = write_config(home, *keys, {"use": "files", "path": f"{home}/shards/{{dir}}/{{stem}}.jpg"})
    arguments = ("run", str(path), "--shard", "1/2", "--report", str(home / "r1.json"), "--allow-code", "-q")
    with subprocess.Popen(command(*arguments), env=environment(), start_new_session=True, cwd=home) as process:
        segment = home / "shards" / STATE / "segments/00001-of-00002.jsonl"
        until(lambda: segment.exists() and segment.read_bytes().count(b'["items"') >= 3, "some items are done")
        os.killpg(process.pid, signal.SIGKILL)
    assert not (home / "r1.json").exists()
    gone_on = cli(*arguments, "--json", cwd=home)
    told = json.loads(gone_on.stdout)
    assert told["up_to_date"] > 0
    assert (
        cli("run", str(path), "--shard", "2/2", "--report", str(home / "r2.json"), "--allow-code", "-q").returncode == 1
    )
    answer = cli("merge-reports", str(home / "r1.json"), str(home / "r2.json"), "--json")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["found"] == FILES + TWINS + BROKEN
    assert not list((home / "shards").rglob("*.tmp"))
    one(files(home, "plain"), home)
    assert tree(home / "shards") == tree(home / "plain")


def test_workers_and_one_process_agree(home: Path) -> None:
    """The same items belong to a shard, and the same comes of them."""
    one(files(home, "serial"), home, shard=Shard(2, 3))
    report = one(files(home, "workers"), home, run=execution.run, shard=Shard(2, 3))
    assert report.ledger.done
    assert tree(home / "serial") == tree(home / "workers")


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_a_shard_that_is_missing_is_named(home: Path) -> None:
    """Exit 3, and no results are made of a part."""
    together(reducing(home, "shards"), home, 3)
    shutil.rmtree(home / "shards")
    (home / "reports" / f"{Shard(2, 3).name}.json").unlink()
    answer = cli("merge-reports", *map(str, (home / "reports").glob("*.json")))
    assert answer.returncode == 3
    assert "1 of 3 shard has no report: 2" in answer.stderr
    assert not (home / "shards").exists()


@pytest.mark.parametrize("change", ["of", "job", "chain", "twin", "plain", "nonsense", "absent"])
def test_reports_that_do_not_belong_together(home: Path, change: str) -> None:
    """Exit 2 with the file and why."""
    together(files(home, "shards"), home, 2)
    first, second = sorted((home / "reports").glob("*.json"))
    told = json.loads(second.read_text())
    if change == "of":
        told["shard"]["of"] = 3
    elif change in ("job", "chain"):
        told["shard"]["same"][change] = "another"
    elif change == "twin":
        told["shard"]["number"] = 1
    elif change == "plain":
        told["shard"] = {}
    second.write_text("{}" if change == "nonsense" else json.dumps(told))
    if change == "absent":
        second.unlink()
    answer = cli("merge-reports", str(first), str(second))
    assert answer.returncode == 2
    assert str(second) in answer.stderr


def test_shards_that_saw_different_inputs(home: Path) -> None:
    """A file that only one machine saw may be nobody's: that is said, and is no success."""
    plan = files(home, "shards")
    one(plan, home, shard=Shard(1, 2))
    put(home / "in" / "late.png", 40)
    one(plan, home, shard=Shard(2, 2))
    report = merged(reports(home))
    assert report.exit_code == 3
    assert "not all shards saw the same input: shard 2/2 met 84 items and shard 1/2 83" in report.stopped


def test_an_input_that_was_renamed_between_shards(home: Path) -> None:
    """As many items, and one of them nobody's: no success."""
    plan = files(home, "shards")
    one(plan, home, shard=Shard(1, 2))
    (home / "in/0/030.png").rename(home / "in/0/x30.png")
    one(plan, home, shard=Shard(2, 2))
    report = merged(reports(home))
    assert report.exit_code == 3
    assert "with other names" in report.stopped


@pytest.mark.parametrize(("most", "code"), [("50%", 1), ("25%", 3), (23, 1), (22, 3)])
def test_the_failure_budget_is_judged_over_all(home: Path, most: Any, code: int) -> None:
    """A share is not judged in a shard; the exit code is that of the sum."""
    for number in range(FILES, 3 * FILES):
        put(home / "in" / f"{number:03d}.png", 40)
    for number in range(BROKEN, 60 if isinstance(most, str) else BROKEN):
        (home / "in" / f"broken{number}.png").write_bytes(b"no picture")
    plan = files(home, "shards", on_error={"max_failures": most})
    for number in range(1, 5):
        assert one(plan, home, shard=Shard(number, 4)).exit_code == 1
    assert merged(reports(home)).exit_code == code


def test_more_shards_than_items(tmp_path: Path) -> None:
    """A shard without an item is no failure, and no input at all is, as in a plain run."""
    put(tmp_path / "in" / "a.png", 40)
    plan = files(tmp_path, "out")
    assert {one(plan, tmp_path, shard=Shard(number, 3)).exit_code for number in (1, 2, 3)} == {0}
    assert merged(reports(tmp_path)).exit_code == 0
    (tmp_path / "in" / "a.png").unlink()
    assert one(plan, tmp_path, shard=Shard(1, 3)).exit_code == 2


def test_plain_runs_and_shards_exclude_each_other(home: Path) -> None:
    """Two shards of one number go on side by side; a plain run, the same shard and one of another number do not."""
    from pipeline.journal import Journal

    plan = files(home, "out")
    first = Journal(sharded(plan, Shard(1, 3)))
    second = Journal(sharded(plan, Shard(2, 3)))
    with pytest.raises(EnvironmentRefusal, match=f"another run writes to .*shard 1/3, pid {os.getpid()}.*shard 2/3"):
        Journal(plan)
    with pytest.raises(EnvironmentRefusal, match=f"another shard 1/3 writes to .*pid {os.getpid()}"):
        Journal(sharded(plan, Shard(1, 3)))
    with pytest.raises(EnvironmentRefusal, match=r"shard 1/3 writes to .*this is one of 4.*so many in all"):
        Journal(sharded(plan, Shard(4, 4)))
    second.abandon()
    first.abandon()
    whole = Journal(plan)
    with pytest.raises(EnvironmentRefusal, match=f"another run writes to .*pid {os.getpid()}"):
        Journal(sharded(plan, Shard(1, 3)))
    whole.abandon()


def test_outputs_that_no_journal_knows(home: Path) -> None:
    """They are refused, as in a plain run; those of other shards are not foreign."""
    (home / "out").mkdir()
    (home / "out" / "0").mkdir()
    shutil.copy(home / "in/0/000.png", home / "out/0/000.jpg")
    with pytest.raises(UsageError, match="no journal that knows them"):
        one(files(home, "out"), home, shard=Shard(1, 2))


def test_names_that_do_not_tell_items_apart(home: Path) -> None:
    """Nothing says which shard would have to refuse which."""
    plan = plan_of(
        home, {"use": "folder", "path": str(home / "in")}, [[RESIZE]],
        {"use": "files", "path": f"{home}/out/{{hash}}.jpg"},
    )  # fmt: skip
    with pytest.raises(UsageError, match="do not tell which item they are of"):
        sharded(plan, Shard(1, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--shard", "4/3"), "want K/N"),
        (("--shard", "auto"), "SLURM_ARRAY_TASK_ID"),
        (("--shard", "1/2", "--prune"), "without --shard"),
        (("--report", "nowhere/r.json"), "no report can be written there"),
    ],
)
def test_bad_usage(home: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, and nothing was started."""
    files(home, "out")
    answer = cli("run", str(home / "config.yaml"), "--allow-code", *arguments, cwd=home)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert not (home / "out").exists()
