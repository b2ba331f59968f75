"""A list of what was made of which input, with the columns that a list of inputs said of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from pipeline import Frame, Partial, Reducer, Template, UsageError
from stages.media.input_tables import as_bytes

OWN = ("path", "source", "width", "height")


@dataclass(frozen=True)
class Manifest(Reducer):
    """A row for each output in input order: its path, its source below the input folder, width and height, and all
    columns of the item. The reader `list` takes it as it is. A column of a list that has the name of one of the four is
    called `list_` and that.
    """

    path: str = field(metadata={"doc": "folder of the list, which is called manifest.csv or manifest.jsonl"})
    outputs: str = field(
        default="{dir}/{stem}.jpg",
        metadata={"doc": "path of each output with fields, as `path` of the writer or `member` of an archive says it"},
    )
    form: Literal["csv", "jsonl"] = field(default="csv", metadata={"doc": "CSV with a header, or JSON Lines"})

    example: ClassVar[Mapping[str, Any]] = {"path": "out/manifest", "outputs": "out/{dir}/{stem}.jpg"}

    def __post_init__(self) -> None:
        if "hash" in self._template.fields:
            raise UsageError("outputs: {hash} is known to the writer alone", remedy="use another field")

    def map(self, frame: Frame) -> Partial:
        """The row of an output. Raises ItemError for fields that its item or frame has not."""
        path = self._template.render(frame.item, frame)
        return [
            [[path, frame.item.below, frame.spec.width, frame.spec.height], [list(each) for each in frame.item.columns]]
        ]

    def merge(self, total: Partial, partial: Partial) -> Partial:
        total += partial
        return total

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """One file; columns in the order in which they first come."""
        rows = [dict(zip(OWN, own, strict=True)) | {_name(name): text for name, text in more} for own, more in total]
        if self.form == "jsonl":
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            yield "manifest.jsonl", as_bytes(lines)
            return
        names = dict.fromkeys(name for row in rows for name in row)
        file = io.StringIO(newline="")
        table = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        yield "manifest.csv", as_bytes(file.getvalue())

    @cached_property
    def _template(self) -> Template:
        return Template(self.outputs)


def _name(column: str) -> str:
    return f"list_{column}" if column in OWN else column
