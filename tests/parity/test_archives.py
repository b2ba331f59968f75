"""Archives as outputs: the same bytes with any workers, fused, serial, killed and gone on with, changed, put back."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from harness import STATE, cli, command, counts, environment, plan_of, tree, until, write_config
from pictures import ramp
from PIL import Image

from pipeline import ConfigError, UsageError
from pipeline.errors import EnvironmentRefusal
from pipeline.journal import Options, Told
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, for_ever, serial

KILLED = """
import os, signal, sys
from pipeline import config
from pipeline.journal import Options, Told
from pipeline.plan import planning
from pipeline.supervisor import packing, serial

_, path, step, after = sys.argv
plan = planning.build(config.load(path.replace("config", "killed")), allow_code=True)
home = packing.Packs if step.startswith("Packs") else packing.os
name = step.partition(".")[2]
usual, calls = getattr(home, name), []


def ending(*args, **more):
    if len(calls) == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(1)
    return usual(*args, **more)


setattr(home, name, ending)
serial.run(plan, keep=Options())
"""
FILES = 23
RESIZE: dict[str, Any] = {"resize": {"width": 16, "height": 16, "fit": "inside"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for number in range(FILES):
        put(tmp_path, number)
    return tmp_path


def put(home: Path, number: int, width: int = 0) -> Path:
    path = ramp(home / "in" / f"{number % 3}" / f"{number:03d}.png", width or 40 + number, 30)
    os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)
    return path


def keys(home: Path, out: str, **writer: Any) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    reader = {"use": "folder", "path": str(home / "in")}
    return reader, [[RESIZE]], {"use": "archive", "path": f"{home}/{out}/s-{{shard}}.tar", "max_count": 5, **writer}


def job(home: Path, out: str, *, workers: int = 1, top: dict[str, Any] | None = None, **writer: Any) -> Plan:
    reader, transforms, writes = keys(home, out, **writer)
    groups = [{"workers": workers, "stages": stages} for stages in transforms]
    return plan_of(home, {**reader, "workers": workers}, groups, {**writes, "workers": workers}, **(top or {}))


def again(plan: Plan, **options: Any) -> dict[str, int]:
    return counts(execution.run(plan, keep=Options(**options)))


def members(path: Path) -> dict[str, bytes]:
    """Names and bytes of a tar."""
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def everything(folder: Path) -> dict[str, bytes]:
    return {name: data for path in sorted(folder.glob("*.tar")) for name, data in members(path).items()}


def test_any_workers_fused_or_not_and_serial(home: Path) -> None:
    """Five ways, the same shards and index; no staging file is left."""
    ways: dict[str, dict[str, Any]] = {
        "one": {}, "four": {"workers": 4}, "fused": {"top": {"fuse": "all"}},
        "fused4": {"top": {"fuse": "all"}, "workers": 4},
    }  # fmt: skip
    for out, more in ways.items():
        assert again(job(home, out, **more)) == {"done": FILES}, out
        assert not os.listdir(home / out / STATE / "staging")
    assert counts(serial.run(job(home, "serial"), keep=Options())) == {"done": FILES}
    made = [tree(home / out) for out in (*ways, "serial")]
    assert made[1:] == made[:-1]
    assert sorted(made[0]) == [*(f"s-{number:06d}.tar" for number in range(5)), "s-index.json"]
    assert list(everything(home / "one")) == sorted(f"{n % 3}/{n:03d}.jpg" for n in range(FILES))
    for data in everything(home / "one").values():
        assert max(Image.open(io.BytesIO(data)).size) == 16


def test_a_member_is_what_the_file_would_be(home: Path) -> None:
    """Byte for byte, in tar and zip."""
    reader, transforms, _ = keys(home, "")
    files = plan_of(home, reader, transforms, {"use": "files", "path": f"{home}/files/{{dir}}/{{stem}}.jpg"})
    assert counts(execution.run(files)) == {"done": FILES}
    expected = {str(path.relative_to(home / "files")): path.read_bytes() for path in (home / "files").rglob("*.jpg")}
    assert again(job(home, "tar")) == {"done": FILES}
    assert everything(home / "tar") == expected
    assert again(job(home, "zip", path=f"{home}/zip/all.zip")) == {"done": FILES}
    with zipfile.ZipFile(home / "zip/all.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == expected


def test_a_rerun_writes_what_changed(home: Path) -> None:
    """Nothing, one shard, those behind a new picture; and all of it is what a fresh run makes."""
    plan = job(home, "out")
    assert again(plan) == {"done": FILES}
    times = {path.name: path.stat().st_mtime_ns for path in (home / "out").glob("*.tar")}

    def rewritten() -> list[str]:
        now = {path.name: path.stat().st_mtime_ns for path in (home / "out").glob("*.tar")}
        return sorted(name for name in now if now[name] != times.get(name))

    assert again(plan) == {"up_to_date": FILES}
    assert rewritten() == []
    put(home, 0, 99)
    assert again(plan) == {"done": 1, "up_to_date": FILES - 1}
    assert rewritten() == ["s-000000.tar"]
    ramp(home / "in/1/0005.png", 50, 30)
    (home / "in/2/020.png").unlink()
    assert again(plan) == {"done": 1, "up_to_date": FILES - 1}
    assert "s-000000.tar" not in rewritten()[1:]
    assert again(job(home, "fresh")) == {"done": FILES}
    assert tree(home / "out") == tree(home / "fresh")


def test_an_archive_that_is_lost_is_made_again(home: Path) -> None:
    """Its members alone are done again; one that somebody changed is refused."""
    plan = job(home, "out")
    assert again(plan) == {"done": FILES}
    before = tree(home / "out")
    (home / "out/s-000001.tar").unlink()
    assert again(plan) == {"done": 5, "up_to_date": FILES - 5}
    assert tree(home / "out") == before
    with open(home / "out/s-000002.tar", "ab") as file:
        file.write(b"somebody was here")
    with pytest.raises(EnvironmentRefusal, match="not ours, or was changed"):
        execution.run(plan, keep=Options())
    assert again(job(home, "out", overwrite="always"))["up_to_date"] >= FILES - 5
    assert tree(home / "out") == before


def test_fewer_pictures_leave_fewer_shards(home: Path) -> None:
    """What holds nothing any more goes; a run that is limited touches no archive."""
    plan = job(home, "out")
    assert again(plan) == {"done": FILES}
    before = tree(home / "out")
    for number in range(12):
        (home / "in" / f"{number % 3}" / f"{number:03d}.png").unlink()
    report = execution.run(plan, limit=1, keep=Options())
    assert any("limited" in note for note in report.notes)
    assert tree(home / "out") == before
    assert again(plan) == {"up_to_date": FILES - 12}
    assert sorted(tree(home / "out")) == ["s-000000.tar", "s-000001.tar", "s-000002.tar", "s-index.json"]


def test_files_that_stand_there_are_not_replaced(home: Path) -> None:
    """A new journal refuses before anything starts."""
    (home / "out").mkdir()
    (home / "out/s-000003.tar").write_bytes(b"of somebody else")
    with pytest.raises(UsageError, match="outputs already"):
        again(job(home, "out"))
    assert (home / "out/s-000003.tar").read_bytes() == b"of somebody else"
    assert again(job(home, "out", overwrite="always")) == {"done": FILES}


@pytest.mark.parametrize(
    "step", ["Packs.set_aside", "Packs.claim", "Packs.wrote", "Packs.sweep", "os.rename", "os.fsync"]
)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_killed_while_it_packs_and_gone_on_with(home: Path, step: str, after: int) -> None:
    """kill -9 before the n-th step of packing changed archives: the next run makes what an undisturbed one makes."""
    plan = job(home, "killed")
    assert again(plan) == {"done": FILES}
    os.rename(home / "config.yaml", home / "killed.yaml")
    for number in (0, 7, 22):
        put(home, number, 99)
    assert again(job(home, "whole")) == {"done": FILES}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home / "config.yaml"), step, str(after)],
        cwd=home,
        env=environment(),
        check=False,
    )
    assert killed.returncode in (0, -signal.SIGKILL)
    again(job(home, "killed"))
    assert tree(home / "killed") == tree(home / "whole")
    assert not os.listdir(home / "killed" / STATE / "staging")


def test_names_that_frames_decide(home: Path) -> None:
    """Parts of pictures as members; two inputs of one name collide, also when the first was done by an earlier run."""
    ramp(home / "in/0/001.png", 40, 30)
    writer = {"member": "{stem}_{row}_{column}.png", "path": f"{home}/tiles/all.tar"}
    plan = plan_of(
        home, {"use": "folder", "path": str(home / "in"), "include": ["*/00[01].png"]},
        [[{"tile": {"width": 32, "height": 16}}]], {"use": "archive", **writer},
    )  # fmt: skip
    for _ in range(2):
        assert again(plan)["failed"] == 1
        assert len(members(home / "tiles/all.tar")) == 8
    assert min(members(home / "tiles/all.tar")) == "000_000_000.png"


def test_two_inputs_of_one_member_name(home: Path) -> None:
    """The first in input order has it, in every run."""
    plan = job(home, "out", member="{stem}.jpg")
    ramp(home / "in/2/000.png", 90, 10)
    for done in ({"done": FILES, "failed": 1}, {"up_to_date": FILES, "failed": 1}):
        assert again(plan) == done
    ramp(home / "in/0/002.png", 90, 10)
    assert again(plan) == {"done": 1, "up_to_date": FILES - 1, "failed": 2}
    (home / "in/0/002.png").unlink()
    assert again(plan) == {"done": 1, "up_to_date": FILES - 1, "failed": 1}


def test_columns_of_a_list_split_and_label(home: Path) -> None:
    """A CSV through shards of each split, labels beside, and back through the reader with the same columns."""
    rows = [
        "path,split,label",
        *(f"in/{n % 3}/{n:03d}.png,{'val' if n % 4 == 0 else 'train'},{n % 5}" for n in range(FILES)),
    ]
    (home / "list.csv").write_text("\n".join(rows))
    reader = {"use": "list", "path": str(home / "list.csv"), "under": str(home), "base": str(home / "in")}
    writer = {
        "use": "archive", "path": f"{home}/out/{{columns.split}}-{{shard}}.tar", "texts": {"cls": "label", "json": "*"},
        "max_count": 10,
    }  # fmt: skip
    assert again(plan_of(home, reader, [[RESIZE]], writer)) == {"done": FILES}
    assert sorted(tree(home / "out")) == [
        "train-000000.tar", "train-000001.tar", "train-index.json", "val-000000.tar", "val-index.json",
    ]  # fmt: skip
    told = members(home / "out/val-000000.tar")
    assert told["1/004.cls"] == b"4"
    assert json.loads(told["1/004.json"]) == {"split": "val", "label": "4"}
    back = {"use": "archive", "path": str(home / "out"), "texts": ["cls", "json"]}
    files = {"use": "files", "path": f"{home}/back/{{columns.split}}/{{columns.cls}}/{{stem}}.png"}
    assert counts(execution.run(plan_of(home, back, [], files))) == {"done": FILES}
    assert (home / "back/val/4/004.png").exists()


def test_what_does_not_go_together_is_refused(home: Path) -> None:
    """Shards that the next run would read, an unknown field, watch; at the config, with its place."""
    reader, transforms, writer = keys(home, "out")
    inside = {"use": "archive", "path": str(home / "out")}
    (home / "out").mkdir()
    with pytest.raises(ConfigError, match="would lie among the inputs"):
        plan_of(home, inside, transforms, writer)
    with pytest.raises(ConfigError, match="unknown template field"):
        plan_of(home, reader, transforms, {**writer, "path": f"{home}/out/{{stem}}-{{index}}.tar"})
    with pytest.raises(ConfigError, match="names no archive"):
        plan_of(home, reader, transforms, {**writer, "path": f"{home}/out/shards"})
    with pytest.raises(ConfigError, match="no codec writes"):
        plan_of(home, reader, transforms, {**writer, "member": "{stem}.xyz"})
    with pytest.raises(UsageError, match="watch has no end"):
        for_ever.watch(job(home, "out2"), keep=Options(), told=Told())


def test_a_folder_that_cannot_be_written(home: Path) -> None:
    """Where the archive's place is a folder: exit 4, and nothing is lost."""
    plan = job(home, "out", path=f"{home}/out/all.tar")
    (home / "out/all.tar").mkdir(parents=True)
    report = execution.run(plan, keep=Options(adopt=True))
    assert report.exit_code == EnvironmentRefusal("").exit_code
    (home / "out/all.tar").rmdir()
    assert again(plan) == {"up_to_date": FILES}
    assert len(members(home / "out/all.tar")) == FILES


def test_interrupted_while_it_works(home: Path) -> None:
    """Ctrl-C leaves no shard that holds half of it; the next run goes on."""
    reader, transforms, writer = keys(home, "out", max_count=1000)
    for number in range(3000):
        os.link(home / "in/0/000.png", home / f"in/0/x{number:04d}.png")
    config = write_config(home, reader, transforms, writer)
    process = subprocess.Popen(
        command("run", str(config)), cwd=home, env=environment(), process_group=0, stderr=subprocess.DEVNULL
    )
    until(lambda: list((home / "out" / STATE).glob("staging/*.members")), "a member")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert not list((home / "out").glob("*.tar"))
    assert cli("run", str(config), cwd=home).returncode == 0
    assert len(everything(home / "out")) == FILES + 3000


def test_commands_know_a_job_with_archives(home: Path) -> None:
    """`report`, `why`, `plan` and `--dry-run` by the config; a mistyped field is shown where it stands."""
    reader, transforms, writer = keys(home, "out")
    config = str(write_config(home, reader, transforms, writer))
    assert "-> " in cli("run", config, "--dry-run").stdout
    assert cli("run", config).returncode == 0
    assert f"{FILES} done" in cli("report", config).stdout + cli("report", config).stderr
    assert "up to date" in cli("why", config, f"{home}/in/0/000.png").stdout
    assert f"{home}/out/s-{{shard}}.tar" in cli("plan", config).stdout + cli("plan", config).stderr
    wrong = str(write_config(home, reader, transforms, {**writer, "path": f"{home}/out/s-{{shrad}}.tar"}))
    refused = cli("check", wrong)
    column = Path(wrong).read_text().index(f'"{home}/out/s-') + 1
    assert f"config.yaml:1:{column}: unknown template field {{shrad}}" in refused.stderr


def test_an_input_that_comes_twice_is_in_the_archive_once(home: Path) -> None:
    """By a list, and as a member of a zip; in every run, and nothing is done again for it."""
    lines = [f"{home}/in/0/000.png", f"{home}/in/1/001.png", f"{home}/in/0/000.png"]
    (home / "list.txt").write_text("\n".join(lines))
    with zipfile.ZipFile(home / "in.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in lines:
            archive.write(name, Path(name).name)
    for reader in ({"use": "list", "path": f"{home}/list.txt"}, {"use": "archive", "path": f"{home}/in.zip"}):
        out = f"{home}/{reader['use']}"
        for member in ("{stem}.jpg", "{stem}_{index}.jpg"):
            plan = plan_of(
                home, reader, [[RESIZE]], {"use": "archive", "path": f"{out}/{len(member)}.tar", "member": member}
            )
            assert again(plan) == {"done": 2, "failed": 1}
            assert again(plan) == {"up_to_date": 2, "failed": 1}
            assert len(members(Path(f"{out}/{len(member)}.tar"))) == 2


def test_a_retry_with_another_chain_leaves_the_archives(home: Path) -> None:
    """They are not replaced by the few that were tried again."""
    (home / "in/0/bad.png").write_bytes(b"no picture")
    plan = job(home, "out")
    assert again(plan) == {"done": FILES, "failed": 1}
    before = tree(home / "out")
    changed = job(home, "out", quality=50)
    report = execution.run(changed, keep=Options(retry=1))
    assert any("another chain" in note for note in report.notes)
    assert tree(home / "out") == before
    assert again(changed) == {"done": FILES, "failed": 1}
    assert tree(home / "out") != before


def test_all_done_afresh_leaves_nothing_staged(home: Path) -> None:
    """Members that come out as they were are packed all the same."""
    plan = job(home, "out")
    assert again(plan) == {"done": FILES}
    before = tree(home / "out")
    assert again(plan, fresh=True) == {"done": FILES}
    assert tree(home / "out") == before
    assert not os.listdir(home / "out" / STATE / "staging")


def test_a_column_that_is_no_name_fails_its_item(home: Path) -> None:
    """Blank, with a slash, or missing, also where frames decide the names; the others are packed."""
    rows = [{"path": f"in/{n % 3}/{n:03d}.png", "split": split} for n, split in enumerate(["a", "", "x/y", "b"])]
    lines = [*map(json.dumps, rows), '"in/1/004.png"']
    (home / "list.jsonl").write_text("\n".join(lines))
    reader = {"use": "list", "path": f"{home}/list.jsonl", "under": str(home)}
    for number, member in enumerate(("{stem}.jpg", "{stem}_{index}.jpg")):
        path = f"{home}/out{number}/{{columns.split}}.tar"
        report = execution.run(
            plan_of(home, reader, [[RESIZE]], {"use": "archive", "path": path, "member": member}), keep=Options()
        )
        assert counts(report) == {"done": 2, "failed": 3}
        assert sorted(tree(home / f"out{number}")) == ["a.tar", "b.tar"]


def test_what_could_not_be_looked_through_stays(home: Path) -> None:
    """An input archive that cannot be read for once: what was made of its members is not thrown away."""
    for shard in range(2):
        with tarfile.open(home / f"s-{shard}.tar", "w") as archive:
            for number in range(shard * 4, shard * 4 + 4):
                archive.add(home / f"in/{number % 3}/{number:03d}.png", f"{number}.png")
        os.utime(home / f"s-{shard}.tar", ns=(1_700_000_000_123_456_789,) * 2)
    plan = plan_of(
        home,
        {"use": "archive", "path": f"{home}/s-*.tar"},
        [[RESIZE]],
        {"use": "archive", "path": f"{home}/out/all.tar"},
    )
    assert again(plan) == {"done": 8}
    before = members(home / "out/all.tar")
    whole = (home / "s-1.tar").read_bytes()
    (home / "s-1.tar").write_bytes(b"")
    assert again(plan) == {"up_to_date": 4, "failed": 1}
    assert members(home / "out/all.tar") == before
    (home / "s-1.tar").write_bytes(whole)
    os.utime(home / "s-1.tar", ns=(1_700_000_000_123_456_789,) * 2)
    assert again(plan) == {"up_to_date": 8}


def test_members_of_one_name_in_several_archives(home: Path) -> None:
    """Names count within their archive."""
    rows = ["path,album", *(f"in/{n % 3}/{n:03d}.png,{n % 2}" for n in range(4))]
    (home / "list.csv").write_text("\n".join(rows))
    reader = {"use": "list", "path": f"{home}/list.csv", "under": str(home)}
    writer = {"use": "archive", "path": f"{home}/out/{{columns.album}}.cbz", "member": "{ext}.jpg"}
    assert again(plan_of(home, reader, [[RESIZE]], writer)) == {"done": 2, "failed": 2}
    assert sorted(tree(home / "out")) == ["0.cbz", "1.cbz"]


def test_the_same_names_of_another_archive_are_not_taken_for_them(home: Path) -> None:
    """Outputs of one zip are not replaced by those of another."""
    for name, number in (("a.zip", 1), ("b.zip", 2)):
        with zipfile.ZipFile(home / name, "w") as archive:
            archive.write(home / f"in/{number}/{number:03d}.png", "x.png")
    files = {"use": "files", "path": f"{home}/files/{{stem}}.png"}
    first, second = (
        plan_of(home, {"use": "archive", "path": f"{home}/{name}"}, [], files) for name in ("a.zip", "b.zip")
    )
    assert again(first) == {"done": 1}
    before = tree(home / "files")
    assert again(second) == {"failed": 1}
    assert tree(home / "files") == before


def test_what_is_lost_is_told_beforehand(home: Path) -> None:
    """`--dry-run` and `why` know that an archive is gone."""
    reader, transforms, writer = keys(home, "out")
    config = str(write_config(home, reader, transforms, writer))
    assert cli("run", config).returncode == 0
    (home / "out/s-000000.tar").unlink()
    assert "5 files" in (told := cli("run", config, "--dry-run")).stdout + told.stderr
    assert "missing" in cli("why", config, f"{home}/in/0/000.png").stdout
