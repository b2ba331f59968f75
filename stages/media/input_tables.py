"""Tables of inputs: CSV with a header, and JSON Lines; a path in one column, and what else a row says of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pipeline import UsageError

ENDINGS = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "ndjson": "jsonl"}  # forms by the ending of a name
DELIMITERS = {"csv": ",", "tsv": "\t"}


class InputRow(NamedTuple):
    """One row of a table.

    Attributes:
        line: number of the line where it ends, from 1.
        columns: names and texts of all columns but that of the path.
        fails: why it names no input; then `path` is "".
    """

    line: int
    path: str
    columns: tuple[tuple[str, str], ...] = ()
    fails: str = ""


def form_of(name: str) -> str:
    """The form of a table by the ending of its name; "" for a plain list of paths."""
    return ENDINGS.get(name.rpartition(".")[2].lower(), "")


def rows(file: BinaryIO, form: str, column: str, name: str) -> Iterator[InputRow]:
    """The rows, as they are read.

    Args:
        form: csv, tsv or jsonl. column: the one that holds the paths. name: of the file, for messages.

    Raises:
        UsageError: a CSV without a header that names the column.
    """
    lines = _decoded(file)
    return _of_json(lines, column) if form == "jsonl" else _of_csv(lines, DELIMITERS[form], column, name)


def _decoded(file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(file):
        yield (line.removeprefix(b"\xef\xbb\xbf") if not number else line).decode("utf-8", "surrogateescape")


def _of_csv(lines: Iterator[str], delimiter: str, column: str, name: str) -> Iterator[InputRow]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: {error}") from error
    if column not in header:
        raise UsageError(
            f"{name}:1: there is no column {column!r}", limit=f"it has {', '.join(map(repr, header)) or 'none'}",
            remedy="name the one that holds the paths with `column`; a list without a header is `form: lines`",
        )  # fmt: skip
    place = header.index(column)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield InputRow(reader.line_num, "", fails=str(error))
            continue
        if cells is None:
            return
        if cells:
            yield _row(reader.line_num, header, place, cells)


def _row(line: int, header: list[str], place: int, cells: list[str]) -> InputRow:
    if len(cells) < len(header):
        missing = ", ".join(map(repr, header[len(cells) :]))
        return InputRow(line, "", fails=f"its row has {len(cells)} of {len(header)} columns: there is no {missing}")
    if len(cells) > len(header):
        return InputRow(line, "", fails=f"its row has {len(cells)} columns, and the header {len(header)}")
    if not cells[place].strip():
        return InputRow(line, "", fails=f"its column {header[place]!r} is empty")
    columns = tuple((name, cell) for name, cell in zip(header, cells, strict=True) if name != header[place])
    return InputRow(line, cells[place], columns)


def _of_json(lines: Iterator[str], column: str) -> Iterator[InputRow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield InputRow(number, "", fails=f"its line is not JSON ({error})")
            continue
        if isinstance(told, str):
            told = {column: told}
        if not isinstance(told, dict) or not isinstance(told.get(column), str) or not told[column].strip():
            yield InputRow(number, "", fails=f"its line has no text {column!r}")
            continue
        yield InputRow(
            number, told[column], tuple((str(key), word(value)) for key, value in told.items() if key != column)
        )


def as_bytes(text: str) -> bytes:
    """Text of a column as it is written: UTF-8, undecodable bytes as they were, half a surrogate pair as "?"."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def word(value: object) -> str:
    """A value of JSON as the text of a column."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
