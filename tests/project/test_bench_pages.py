"""The figures that the pages show are those that were kept, and the picture is drawn from them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import picture, results
from bench.rows import Outcome

KEPT = results.load()


@pytest.mark.parametrize("page", results.pages(KEPT), ids=lambda page: page.name)
def test_pages_show_what_was_kept(page: Path) -> None:
    """After `python -m bench --keep`, or a change of how it is shown: `python -m bench.results`."""
    assert page.read_text() == results.pages(KEPT)[page]


def test_every_work_is_kept() -> None:
    """None is left out of the table because it missed its bar."""
    from bench.run import WORKS

    assert set(KEPT) == set(WORKS)
    assert all(work.rounds >= 5 and work.outcome.rows for work in KEPT.values())


def test_the_picture_holds_every_contender() -> None:
    """It is well-formed, and a bar is as long as its rate says."""
    speeds = picture.speeds({name: work.outcome for name, work in KEPT.items()})
    root = ET.fromstring(picture.svg(speeds))
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.get("width", "0")) for bar in root.iter(f"{space}rect")][1:]
    words = [text.text for text in root.iter(f"{space}text")]
    for rows in speeds.values():
        most = max(row.rate for row in rows)
        drawn, bars = bars[: len(rows)], bars[len(rows) :]
        assert drawn == pytest.approx([max(2.0, picture.BAR * row.rate / most) for row in rows], abs=0.1)
        assert all(row.name in words for row in rows)
    assert bars == []


def test_without_figures_there_is_nothing_to_draw() -> None:
    """No contender, no panel, and no error."""
    assert picture.speeds({"large": Outcome()}) == {}
