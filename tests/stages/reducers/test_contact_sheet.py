"""The reducer `contact_sheet`: every picture in its cell, in item order, on as many pages as it takes."""

from __future__ import annotations

import io
from functools import reduce
from typing import Any

import numpy as np
import pytest
from pictures import Pixels, frame_of, plain
from PIL import Image, ImageFont

from pipeline import Item, UsageError
from stages.reducers.contact_sheet import GAP, LABEL, ContactSheet, shortened

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]


def pages(*pictures: Pixels, **params: Any) -> dict[str, Image.Image]:
    sheet = ContactSheet("out", **params)
    sheet.open()
    partials = []
    for number, pixels in enumerate(pictures):
        frame = frame_of(pixels)
        frame.item = Item(number, f"{number}.jpg", "sub", f"{number}.jpg")
        partials.append(sheet.map(frame))
    files = sheet.finish(reduce(sheet.merge, partials))
    return {name: Image.open(io.BytesIO(data)) for name, data in files}


def test_cells_in_order() -> None:
    """Five in rows of two, on pages of four: each colour where it belongs."""
    found = pages(*(plain(40, 40, *colour) for colour in COLOURS), columns=2, rows=2, width=40, height=40)
    assert list(found) == ["sheet-001.jpg", "sheet-002.jpg"]
    line = 40 + LABEL + GAP
    for place, colour in enumerate(COLOURS):
        page = np.asarray(found[f"sheet-00{1 + place // 4}.jpg"]).astype(int)
        y, x = GAP + place % 4 // 2 * line + 20, GAP + place % 2 * (40 + GAP) + 20
        assert np.abs(page[y, x] - colour).max() < 12
    assert found["sheet-002.jpg"].height == line + GAP  # no rows without pictures


def test_large_ones_shrink_and_small_ones_stand_in_the_middle() -> None:
    """Transparent ones lie on the background, deep ones are shown in 8 bits; one page has no number."""
    deep = plain(20, 20, 65535, 0, 0, dtype="uint16")
    found = pages(
        plain(300, 600, 0, 0, 255), plain(20, 20, 0, 0, 0, 0), deep, width=60, height=60, labels="none", columns=3
    )
    page = np.asarray(found["sheet.jpg"]).astype(int)
    middle = GAP + 30
    assert np.abs(page[middle, GAP + 5] - (0, 0, 255)).max() < 12
    assert np.abs(page[GAP + 5, GAP + 5] - 255).max() < 12  # above a wide one
    assert np.abs(page[middle, middle + 68] - 255).max() < 12
    assert np.abs(page[middle, middle + 136] - (255, 0, 0)).max() < 12


def test_long_names_lose_their_middle() -> None:
    font = ImageFont.load_default(11)
    text = shortened("a_very_long_name_of_a_picture_0042.jpg", 120, font)
    assert font.getlength(text) <= 120
    assert text.startswith("a_ver")
    assert text.endswith("42.jpg")
    assert shortened("short.jpg", 120, font) == "short.jpg"


def test_a_page_that_nothing_could_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="fewer columns or rows"):
        ContactSheet("out", columns=100, width=2048)
