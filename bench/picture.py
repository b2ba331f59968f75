"""The front page's table and picture: how long others take for the same files, from the kept results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bench.contenders import GAP_1, MAGICK, OURS, PILLOW, PLAIN, SHARP, SHARP_FAST, VIPS
from bench.process import Sample
from bench.rows import Outcome, named, ratios

WORKS = {
    "12 megapixels": (("large", "rivals-large"), "JPEG photographs of 12 megapixels to 256 pixels"),
    "500x375": (("small", "rivals-small"), "JPEG photographs of 500x375 to 256 pixels"),
}
NAMES = {
    OURS[0]: "pipeline",
    GAP_1: "pipeline, reducing_gap: 1.0",
    SHARP_FAST: "sharp, as it is",
    SHARP: "sharp, fastShrinkOnLoad: false",
    PLAIN: "a Pool by hand, same codecs",
    VIPS: "vipsthumbnail, xargs -P2",
    MAGICK: "ImageMagick, xargs -P2",
    PILLOW: "a Pool by hand, Pillow",
}
WIDTH, BAR, LABEL, ROW, HEAD = 760, 330, 240, 24, 34
EXACT_DB = 90
INK, PALE = "#2563eb", "#94a3b8"


@dataclass(frozen=True, slots=True)
class Speed:
    """Files a second of one contender in a whole run, start-up included; `share` is against ours.

    decibels: of its pictures against a full decode and a full-size Lanczos, the median; 0 where that was not checked.
    """

    name: str
    rate: float
    share: float
    ours: bool
    decibels: float


def speeds(outcomes: Mapping[str, Outcome]) -> dict[str, list[Speed]]:
    """By heading: ours first, then from fast to slow.

    A contender is compared within the rounds of its own work; what stands here is the median of those ratios, times the
    rate of ours.
    """
    found = {}
    for heading, (works, _) in WORKS.items():
        shares: dict[str, float] = {}
        alike: dict[str, float] = {}
        rates = []
        for work in works:
            alike |= {each.contender: each.median_db for each in outcomes[work].likeness} if work in outcomes else {}
            samples = outcomes[work].samples if work in outcomes else []
            mine = named(samples, OURS[0])
            rates += [run.outputs / run.wall_s for run in mine]
            shares |= {name: _share(samples, name, mine[0].outputs) for name in NAMES if mine and named(samples, name)}
        if rates:
            rate = median(rates)
            rows = [Speed(NAMES[n], rate * s, s, n in (OURS[0], GAP_1), alike.get(n, 0.0)) for n, s in shares.items()]
            found[heading] = sorted(rows, key=lambda row: (not row.ours, -row.rate))
    return found


def _share(samples: Sequence[Sample], name: str, files: int) -> float:
    """The speed of a contender as a share of ours, the median over rounds."""
    return median(ratios(samples, OURS[0], name, lambda run: run.whole_s(files)))


def markdown(found: Mapping[str, Sequence[Speed]]) -> str:
    """A table: contender, and files a second for each kind of file."""
    names = list(dict.fromkeys(row.name for rows in found.values() for row in rows))
    lines = ["| whole run, two cores | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for name in names:
        cells = [next((_cell(row) for row in rows if row.name == name), "") for rows in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Speed) -> str:
    return f"**{_beside(row)}**" if row.share == 1 else f"{_beside(row)} ({_times(row.share)})"


def _beside(row: Speed) -> str:
    alike = ", the reference" if row.decibels >= EXACT_DB else f", {row.decibels:.0f} dB" if row.decibels else ""
    return f"{_number(row.rate)} files/s{alike}"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _times(share: float) -> str:
    """How many times as long it takes, or how much less."""
    return f"{1 / share:.2f}x the time" if share > 0.9 else f"{1 / share:.1f}x the time"


def svg(found: Mapping[str, Sequence[Speed]]) -> str:
    """Bars of files a second, one panel for each kind of file; readable on light and dark pages."""
    parts: list[str] = []
    top = 8
    for heading, rows in found.items():
        parts.append(_text(8, top + 18, WORKS[heading][1], weight="bold"))
        top += HEAD
        most = max(row.rate for row in rows)
        for row in rows:
            length = max(2.0, BAR * row.rate / most)
            parts += [
                _text(LABEL - 8, top + 15, row.name, anchor="end"),
                f'<rect x="{LABEL}" y="{top + 3}" width="{length:.1f}" height="{ROW - 7}" rx="2"'
                f' fill="{INK if row.ours else PALE}"/>',
                _text(LABEL + length + 8, top + 15, _beside(row)),
            ]
            top += ROW
        top += 12
    height = top + 4
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="13" stroke="none" role="img"'
        ' aria-label="Files a second of pipeline and of other tools">'
    )
    back = f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>'
    return "\n".join([head, back, *parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#1e293b">{escape(words)}</text>'
    )
