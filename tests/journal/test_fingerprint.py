"""What decides pixels is in the fingerprint, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.api import planned
from pipeline.journal.fingerprint import differences, hash_of, steps_of
from stages.transforms.resize import Resize

CONFIG = "configs/thumbnail.yaml"


def steps(workers: dict[str, int] | None = None, **sets: object) -> list[object]:
    names = {key.replace("__", "."): value for key, value in sets.items()}
    return list(steps_of(planned(CONFIG, names, workers, allow_code=True)))


@pytest.mark.parametrize(
    "same",
    [
        {"fuse": "all"}, {"queues__depth": 3}, {"queues__memory": "100MiB"}, {"timeout": "9s"}, {"durability": "each"},
        {"limits__pixels": 1000}, {"reader__include": '["**/*.jpg"]'}, {"reader__path": "samples"},
        {"writer__path": "out/other/{stem}.jpg"}, {"on_error__retries": 1}, {"writer__overwrite": "always"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_pixels_does_not_count(same: dict[str, object]) -> None:
    """Workers, queues, fusion, limits, which inputs are taken and where outputs go."""
    assert hash_of(steps(**same)) == hash_of(steps())
    assert hash_of(steps({"shrink": 3})) == hash_of(steps())


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"transforms__shrink__resize__width": 300}, ["resize.width: 256 -> 300"]),
        ({"writer__path": "out/{stem}.png"}, ["jpeg: removed", "png: added"]),
        ({"writer__icc": "keep"}, ['files.icc: "srgb" -> "keep"']),
    ],
    ids=str,
)
def test_what_makes_pixels_counts_and_is_told(other: dict[str, object], told: list[str]) -> None:
    """Old -> new, by the key of the config."""
    assert hash_of(steps(**other)) != hash_of(steps())
    found = differences(steps(), steps(**other))  # type: ignore[arg-type]
    assert set(told) <= set(found), found


def test_a_raised_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component whose pixels changed says so."""
    before = steps()
    monkeypatch.setattr(Resize, "pixels_version", Resize.pixels_version + 1)
    assert hash_of(steps()) != hash_of(before)  # type: ignore[arg-type]
    version = Resize.pixels_version
    assert differences(before, steps()) == [f"resize: version of its pixels {version - 1} -> {version}"]  # type: ignore[arg-type]


def test_code_of_own_stages_counts(tmp_path: Path) -> None:
    """Another text of the file is another chain; its place is not looked at."""
    found = []
    for name, text in (("a", "return pixels"), ("b", "return 255 - pixels"), ("c", "return pixels")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(f"def f(pixels):\n    {text}\n")
        config = tmp_path / name / "config.yaml"
        config.write_text(
            "version: 1\nreader: {use: folder, path: samples/photos}\n"
            f"transforms: [{{name: t, stages: [{{use: '{tmp_path}/{name}/mine.py:f'}}]}}]\n"
            "writer: {use: files, path: 'out/{stem}.png'}\n"
        )
        found.append(hash_of(steps_of(planned(config, None, None, allow_code=True))))
    assert found[0] == found[2] != found[1]
