"""WebP: alpha of animations, hidden colours, and where a file ends."""

from __future__ import annotations

import pytest
from pictures import decoded, encoded, grain, saved, shown, smooth
from PIL import Image

from pipeline import ItemError
from stages.codecs.webp import Webp


def test_an_animation_of_webp_may_have_alpha() -> None:
    """The first frame's alpha, exactly."""
    frames = [Image.fromarray(grain(4, seed=seed)) for seed in range(2)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    spec, out = decoded(Webp(), data)
    assert spec.model == "rgba"
    assert (out == shown(data, "RGBA")).all()


def test_lossless_webp_keeps_hidden_colours() -> None:
    """Colours under full transparency are pixels too."""
    pixels = grain(4)
    pixels[:9, :, 3] = 0
    assert (decoded(Webp(lossless=True), encoded(Webp(lossless=True), pixels))[1] == pixels).all()


def test_bytes_after_a_webp_are_no_damage() -> None:
    """What follows the RIFF container is not part of it; one byte less than it says is a cut."""
    data = encoded(Webp(), smooth())
    decoded(Webp(), data + b"tail")
    with pytest.raises(ItemError, match="truncated"):
        Webp().header(memoryview(data[:-1]))
