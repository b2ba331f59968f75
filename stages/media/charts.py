"""Small charts and tables as HTML and SVG, for pages that stand alone: no script, nothing loaded, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT = 640, 120
STYLE = (
    ":root{color-scheme:light dark;--line:#8886;--bar:#4a7ab5}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15rem .9rem .15rem 0;text-align:left}"
    "svg{width:100%;height:auto;border-bottom:1px solid var(--line)}"
    ".ends{display:flex;justify-content:space-between;font-size:.8rem;opacity:.7}"
    ".figures{display:flex;flex-wrap:wrap;gap:1.6rem}.figures b{display:block;font-size:1.4rem}"
    ".share{display:grid;grid-template-columns:9rem 1fr 5rem;gap:.6rem;align-items:center}"
    ".share i{display:block;height:.7rem;background:var(--bar)}"
)


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def figures_line(figures: Iterable[tuple[str, str]]) -> str:
    """Large numbers with what they count."""
    told = "".join(f"<span><b>{escape(number)}</b>{escape(what)}</span>" for number, what in figures)
    return f'<div class="figures">{told}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cells(row: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) + "</tr>"

    return "<table>" + cells(head, "th") + "".join(cells(row, "td") for row in rows) + "</table>"


def bars(values: Sequence[int], low: str, high: str) -> str:
    """A bar a value; the ends of the scale are named."""
    most, step = max(1, *values), WIDTH / len(values)
    drawn = "".join(
        f'<rect x="{n * step:.1f}" y="{HEIGHT * (1 - value / most):.1f}" width="{step * 0.9:.2f}"'
        f' height="{HEIGHT * value / most:.1f}"><title>{value:,}</title></rect>'
        for n, value in enumerate(values)
        if value
    )
    return _drawn(f'<g fill="var(--bar)">{drawn}</g>', low, high)


def lines(rows: Sequence[Sequence[int]], colours: Sequence[str], low: str, high: str) -> str:
    """A line a row, all to one scale."""
    most = max(1, *(max(row) for row in rows))
    drawn = []
    for row, colour in zip(rows, colours, strict=True):
        step = WIDTH / (len(row) - 1)
        points = " ".join(f"{n * step:.1f},{HEIGHT * (1 - value / most):.1f}" for n, value in enumerate(row))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
    return _drawn("".join(drawn), low, high)


def shares(counts: Sequence[tuple[str, int]], of: int) -> str:
    """Bars with names, the largest first; how many are not shown."""
    most = max((count for _, count in counts), default=1)
    told = "".join(
        f'<div class="share"><span>{escape(name)}</span><i style="width:{100 * count / most:.1f}%"></i>{count:,}</div>'
        for name, count in counts
    )
    return told + (f"<p>and {of - len(counts):,} more</p>" if of > len(counts) else "")


def _drawn(content: str, low: str, high: str) -> str:
    ends = f'<div class="ends"><span>{escape(low)}</span><span>{escape(high)}</span></div>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{content}</svg>{ends}'
