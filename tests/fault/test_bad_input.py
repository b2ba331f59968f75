"""Bad input end to end: each file fails with a reason, the rest goes on, no source is touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, cli, listed, tree
from pictures import ramp
from PIL import Image

from pipeline.errors import kind_of, one_line
from pipeline.plan.model import Plan
from pipeline.worker.loading import Loading

PHOTO = ROOT / "samples" / "photos"


def run(source: Path, target: str, *more: str, cwd: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Exit code and report of the thumbnail job on a folder."""
    done = cli(
        "run", str(ROOT / "configs" / "thumbnail.yaml"), "--json", "-q", "--set", f"reader.path={source}",
        "--set", f"writer.path={target}", "--set", "on_error.max_failures=none", *more, cwd=cwd,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def reasons(report: dict[str, Any]) -> dict[str, str]:
    return {os.path.basename(failure["item"]): failure["reason"] for failure in report["failures"]}


def test_every_broken_file_has_its_reason(tmp_path: Path) -> None:
    """Truncated, empty, lying, too large, no picture, FIFO: one line each; the good one is done; exit 1."""
    source = tmp_path / "in"
    shutil.copytree(ROOT / "samples" / "broken", source)
    ramp(source / "fine.jpg", 40, 30)
    ramp(source / "jpeg_named.png.jpg", 40, 30)
    (source / "folder.jpg").mkdir()
    os.mkfifo(source / "pipe.jpg")
    (source / "gone.jpg").symlink_to(source / "nowhere.jpg")
    code, report = run(source, f"{tmp_path}/out/{{stem}}.jpg")
    found = reasons(report)
    assert code == report["exit_code"] == 1
    assert report["found"] == report["done"] + report["failed"] + report["skipped"]
    assert {"fine.jpg", "jpeg_named.png.jpg"} <= set(listed(tmp_path / "out"))
    for name, word in {
        "truncated.jpg": "truncated", "empty.jpg": "empty", "not_an_image.jpg": "not a picture",
        "huge_header.jpg": "megapixels", "lying_header.png": "damaged", "corrupt.png": "damaged", "pipe.jpg": "FIFO",
    }.items():  # fmt: skip
        assert word in found[name], found
    assert report["skips"]
    assert len(listed(tmp_path / "out")) == report["done"]


def test_only_the_command_line_raises_a_limit(tmp_path: Path) -> None:
    """A picture over `limits.pixels` is refused before it is decoded, with the remedy; --set lets it pass."""
    ramp(tmp_path / "in" / "a.png", 40, 30)
    code, report = run(tmp_path / "in", f"{tmp_path}/out/{{stem}}.jpg", "--set", "limits.pixels=1000")
    assert (code, report["failed"]) == (1, 1)
    assert "--set limits.pixels" in reasons(report)["a.png"]
    code, report = run(tmp_path / "in", f"{tmp_path}/out/{{stem}}.jpg", "--set", "limits.pixels=1200")
    assert (code, report["done"]) == (0, 1)


def test_two_inputs_for_one_output_collide(tmp_path: Path) -> None:
    """The second input of one output name fails and names the first; the first is written."""
    ramp(tmp_path / "in" / "a.jpg", 40, 30)
    ramp(tmp_path / "in" / "a.png", 40, 30)
    ramp(tmp_path / "in" / "sub" / "a.jpg", 40, 30)
    code, report = run(tmp_path / "in", f"{tmp_path}/out/{{dir}}/{{stem}}.jpg")
    assert (code, report["done"], report["failed"]) == (1, 2, 1)
    assert "collides with" in reasons(report)["a.png"]
    assert set(tree(tmp_path / "out")) == {"a.jpg", "sub/a.jpg"}


def test_outputs_within_the_input_are_not_read_again(tmp_path: Path) -> None:
    """A second run over the same folder finds the same inputs, and gives the same outputs."""
    source = tmp_path / "in"
    for name in ("a.jpg", "b.jpg"):
        ramp(source / name, 40, 30)
    looks = []
    for more in ((), (), ("--fresh",)):
        code, report = run(source, f"{source}/thumbs/{{stem}}.jpg", *more)
        looks.append((code, report["found"], report["done"], report["up_to_date"], tree(source / "thumbs")))
    assert [look[:4] for look in looks] == [(0, 2, 2, 0), (0, 2, 0, 2), (0, 2, 2, 0)]
    assert looks[0][4] == looks[1][4] == looks[2][4]


@pytest.mark.parametrize("by_link", [False, True])
def test_a_source_is_never_written_over(by_link: bool, tmp_path: Path) -> None:
    """Outputs among the inputs are refused before anything starts, also where a linked folder leads there."""
    source = tmp_path / "in"
    ramp(source / "a.jpg", 40, 30)
    ramp(source / "b.png", 40, 30)
    before = tree(source)
    target = source
    if by_link:
        (tmp_path / "link").symlink_to(source)
        target = tmp_path / "link"
    code, report = run(source, f"{target}/{{stem}}.jpg")
    assert code == 2
    assert "among the inputs" in json.dumps(report)
    assert tree(source) == before


def test_names_that_are_not_utf8_and_worse(tmp_path: Path) -> None:
    """Undecodable bytes, newlines and escape sequences in names come through, and never raw to the terminal."""
    source = os.fsencode(tmp_path / "in")
    ramp(tmp_path / "in" / "plain.jpg", 40, 30)
    names = [b"caf\xe9.jpg", b"new\nline.jpg", b"\x1b[31mred.jpg"]
    for name in names:
        shutil.copy(source + b"/plain.jpg", source + b"/" + name)
    shutil.copy(ROOT / "samples" / "broken" / "truncated.jpg", source + b"/\x1b[2Jbroken.jpg")
    args = ("run", str(ROOT / "configs" / "thumbnail.yaml"), "--set", f"reader.path={tmp_path}/in")
    done = cli(*args, "--set", f"writer.path={tmp_path}/out/{{stem}}.jpg", "--set", "on_error.max_failures=none")
    assert done.returncode == 1
    assert {*map(os.fsencode, listed(tmp_path / "out"))} == {b"plain.jpg", *names}
    assert "\x1b" not in done.stderr + done.stdout


def test_sizes_are_at_least_one_pixel(tmp_path: Path) -> None:
    """A picture of 1000x1 becomes 256x1, not 256x0."""
    ramp(tmp_path / "in" / "line.png", 1000, 1)
    assert run(tmp_path / "in", f"{tmp_path}/out/{{stem}}.png")[0] == 0
    with Image.open(tmp_path / "out" / "line.png") as made:
        assert made.size == (256, 1)


def test_no_input_at_all_starts_nothing(tmp_path: Path) -> None:
    """An empty folder is exit 2 with a sentence; a missing one is a problem at its line."""
    (tmp_path / "in").mkdir()
    code, report = run(tmp_path / "in", f"{tmp_path}/out/{{stem}}.jpg")
    assert (code, report["found"]) == (2, 0)
    missing = cli("run", str(ROOT / "configs" / "thumbnail.yaml"), "--set", f"reader.path={tmp_path}/nowhere")
    assert missing.returncode == 2
    assert "nowhere" in missing.stderr


def test_without_permission_a_file_fails_in_the_words_of_the_system(tmp_path: Path) -> None:
    """As an ordinary user (root may read everything) a locked file is "permission denied" of kind permission."""
    path = tmp_path / "locked.jpg"
    ramp(path, 40, 30)
    path.chmod(0)
    loading = Loading(Plan("a.yaml", ()), lambda spec, _: spec)
    root = os.getuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(OSError, match="ermission denied") as caught:
            loading.load(str(path))
    finally:
        if root:
            os.seteuid(0)
    assert (kind_of(caught.value), one_line(caught.value)) == ("permission", "permission denied")
