"""What a set of pictures is like: sizes, formats, mean and spread of the channels, exposure, sharpness."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar

from pipeline import Frame, Partial, Reducer
from stages.media import charts, picture_figures

FULL = 65535
HEAD = ("file", "frame", "width", "height", "format", "mean_luma", "dark", "bright", "sharpness")
LISTED = 20  # sizes and formats on the page


@dataclass(frozen=True)
class Statistics(Reducer):
    """Statistics of the frames as they leave the transforms, and of their sizes in the files.

    Made are `statistics.json`, `.csv` (a line a file) and `.html`.

    `mean` and `std` are of all pixels of the set, for red, green and blue, from 0 to 1, as loaders of data sets want
    them to normalise by; gray counts as three equal channels, alpha does not count. `luma` is the brightness (BT.601,
    0 to 255), `dark` and `bright` the shares of pixels at its ends. Sharpness is the variance of the Laplacian.
    """

    path: str = field(metadata={"doc": "folder of the three files"})
    files: bool = field(default=True, metadata={"doc": "whether the CSV, a line a file, is written"})

    example: ClassVar[Mapping[str, Any]] = {"path": "out/statistics"}

    def map(self, frame: Frame) -> Partial:
        """Counts of one frame, in whole numbers; the histogram as (3, 64) int64."""
        spec, item = frame.spec, frame.item
        levels, light = picture_figures.levels(frame.pixels, spec), picture_figures.light(frame.pixels, spec)
        kind = item.name.rpartition(".")[2].lower()
        height, width = frame.source_size if any(frame.source_size) else spec.size
        row = [item.below, frame.index, width, height, kind, *light]
        return {
            "frames": 1, "files": int(frame.index == 0), "pixels": levels.pixels, "histogram": levels.histogram,
            "sums": levels.sums, "squares": levels.squares, "dark": light.dark, "bright": light.bright,
            "sizes": {f"{width}x{height}": 1}, "formats": {kind: 1}, "luma": {str(light.mean): 1},
            "sharpness": {str(picture_figures.sharp_bin(light.sharpness)): 1}, "rows": [row] if self.files else [],
        }  # fmt: skip

    def merge(self, total: Partial, partial: Partial) -> Partial:
        """Counts are added; lines of the CSV follow each other."""
        for name, value in partial.items():
            if isinstance(value, dict):
                for key, number in value.items():
                    total[name][key] = total[name].get(key, 0) + number
            elif name in ("sums", "squares"):
                total[name] = [a + b for a, b in zip(total[name], value, strict=True)]
            else:
                total[name] += value
        return total

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """The three files."""
        told = told_of(total)
        yield "statistics.json", (json.dumps(told, indent=2) + "\n").encode()
        if self.files:
            yield "statistics.csv", _table(total["rows"])
        yield "statistics.html", _page(told).encode()


def told_of(total: Partial) -> dict[str, Any]:
    """The figures as plain data."""
    count = total["pixels"]
    mean = [value / count / FULL for value in total["sums"]]
    # of whole numbers until the root: the variance of a flat picture is 0, not a rounding error
    spread = [
        sqrt(count * square - value * value) / count / FULL
        for value, square in zip(total["sums"], total["squares"], strict=True)
    ]
    return {
        "files": total["files"], "frames": total["frames"], "pixels": count,
        "mean": [round(value, 6) for value in mean], "std": [round(value, 6) for value in spread],
        "dark": round(total["dark"] / count, 6), "bright": round(total["bright"] / count, 6),
        "sizes": _ranked(total["sizes"]), "formats": _ranked(total["formats"]),
        "histogram": [[int(value) for value in row] for row in total["histogram"]],
        "luma": [total["luma"].get(str(level), 0) for level in range(256)],
        "sharpness": [total["sharpness"].get(str(number), 0) for number in range(picture_figures.SHARP_BINS)],
    }  # fmt: skip


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _table(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEAD)
    table.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _page(told: Mapping[str, Any]) -> str:
    """One HTML file without scripts, that loads nothing."""
    rgb = ("red", "green", "blue")
    normal = [
        [name, f"{mean:.4f}", f"{std:.4f}"] for name, mean, std in zip(rgb, told["mean"], told["std"], strict=True)
    ]
    sizes, formats = (list(told[name].items())[:LISTED] for name in ("sizes", "formats"))
    parts = [
        charts.figures_line([
            (f"{told['files']:,}", "files"), (f"{told['frames']:,}", "frames"),
            (f"{told['pixels'] / 1e6:,.1f}", "Mpixel"),
            (f"{told['dark']:.2%}", "of pixels are black"), (f"{told['bright']:.2%}", "are white"),
        ]),
        charts.section("Channels", charts.table(("channel", "mean", "std"), normal)),
        charts.section("Levels", charts.lines(told["histogram"], ("#d22", "#2a2", "#22d"), "dark", "bright")),
        charts.section("Brightness of the pictures", charts.bars(told["luma"], "dark", "bright")),
        charts.section("Sharpness of the pictures", charts.bars(told["sharpness"], "soft", "sharp")),
        charts.section("Sizes", charts.shares(sizes, len(told["sizes"]))),
        charts.section("Formats", charts.shares(formats, len(told["formats"]))),
    ]  # fmt: skip
    return charts.page("Statistics", parts)
