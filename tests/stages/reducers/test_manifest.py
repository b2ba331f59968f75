"""A list of what was made, which is a list that can be read again."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from harness import counts, plan_of
from pictures import ramp

from pipeline import ConfigError
from pipeline.journal import Options
from pipeline.supervisor import execution
from stages.readers.list import List


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_manifest_is_a_list_that_can_be_read(tmp_path: Path, form: str) -> None:
    """Every output in input order with its columns; text of any kind comes back as it was."""
    labels = ["1", 'a "quoted", word', "two\nlines", "ü"]
    with open(tmp_path / "in.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "width"])
        for number, label in enumerate(labels):
            ramp(tmp_path / f"{number}.png", 40 + number, 30)
            table.writerow([f"{tmp_path}/{number}.png", label, "wide"])
    reader = {"use": "list", "path": str(tmp_path / "in.csv"), "base": str(tmp_path)}
    target = f"{tmp_path}/out/{{stem}}.jpg"
    reducers: list[Any] = [{"manifest": {"path": f"{tmp_path}/out", "outputs": target, "form": form}}]
    resize = {"resize": {"width": 16, "height": 16, "fit": "inside"}}
    plan = plan_of(tmp_path, reader, [[resize]], {"use": "files", "path": target}, reducers=reducers)
    assert counts(execution.run(plan, keep=Options())) == {"done": 4}
    items = list(List(f"{tmp_path}/out/manifest.{form}").discover())
    assert [item.source for item in items] == [f"{tmp_path}/out/{number}.jpg" for number in range(4)]
    assert all(Path(item.source).is_file() for item in items)
    assert [dict(item.columns)["label"] for item in items] == labels
    assert dict(items[0].columns) == {
        "source": "0.png", "width": "16", "height": "12", "label": "1", "list_width": "wide",
    }  # fmt: skip


def test_a_field_that_only_the_writer_knows_is_refused(tmp_path: Path) -> None:
    """At its place in the config."""
    ramp(tmp_path / "in/a.png", 8, 8)
    reducers: list[Any] = [{"manifest": {"path": f"{tmp_path}/out", "outputs": "{hash}.jpg"}}]
    with pytest.raises(ConfigError, match="known to the writer alone"):
        plan_of(tmp_path, {"use": "folder", "path": f"{tmp_path}/in"}, [], {"use": "null"}, reducers=reducers)
