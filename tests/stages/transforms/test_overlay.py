"""Overlay: where the mark lies, and source-over against fractions and against Pillow."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import WHITE, noise, plain, processed
from PIL import Image

from pipeline import Size, Spec, SpecError, UsageError
from stages.transforms.overlay import Overlay

SIDES = st.integers(1, 5000)
SIZES = st.builds(Size, SIDES, SIDES)
BYTES = st.integers(0, 255)


class Marks:
    """Writes marks of RGBA pixels and makes stages of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, pixels: Any, **params: Any) -> Overlay:
        path = self.folder / "mark.png"
        Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
        return Overlay(image=str(path), **params)


@pytest.fixture(scope="session")
def mark(tmp_path_factory: pytest.TempPathFactory) -> Marks:
    return Marks(tmp_path_factory.mktemp("marks"))


class TestOverlayPlaces:
    @given(SIZES, SIZES, st.integers(0, 400), st.none() | st.integers(1, 100))
    def test_the_mark_lies_within_the_picture(self, full: Size, own: Size, margin: int, share: int | None) -> None:
        """Of any size, margin and scale: at least a pixel, inside, in proportion to rounding."""
        stage = Overlay(__file__, margin=margin, scale=None if share is None else f"{share}%")
        size, (top, left), _ = stage.layout(full, own)
        assert min(size) >= 1
        assert 0 <= top <= full.height - size.height
        assert 0 <= left <= full.width - size.width
        factor = size.width / own.width if size.width >= size.height else size.height / own.height
        assert abs(size.height - factor * own.height) <= 1 + own.height / own.width
        assert abs(size.width - factor * own.width) <= 1 + own.width / own.height

    @pytest.mark.parametrize(
        ("params", "want"),
        [
            ({}, ((10, 20), (90, 180))),
            ({"margin": 7}, ((10, 20), (83, 173))),
            ({"margin": "5%", "position": "northwest"}, ((10, 20), (5, 5))),
            ({"margin": "5%", "position": "centre"}, ((10, 20), (45, 90))),
            ({"scale": "50%", "position": "top"}, ((50, 100), (0, 50))),
            ({"scale": "100%"}, ((100, 200), (0, 0))),
            ({"scale": "100%", "margin": 10}, ((80, 160), (10, 30))),
            ({"scale": "1%", "position": "left"}, ((1, 2), (49, 0))),
            ({"margin": 60}, ((1, 2), (49, 138))),
        ],
    )
    def test_layouts(self, params: dict[str, Any], want: tuple[Any, Any]) -> None:
        """A mark of 20x10 on a picture of 200x100; margins that leave no room leave a pixel."""
        assert Overlay(__file__, **params).layout(Size(100, 200), Size(10, 20))[:2] == want

    def test_a_mark_larger_than_the_picture_is_scaled_down(self, mark: Marks) -> None:
        """To its height here; on a picture of one pixel to that."""
        stage = mark(plain(40, 20, 255, 0, 0, 255))
        out = processed(stage, plain(8, 12, 1, 2, 3))
        assert (out[:, 8:] == (255, 0, 0)).all()
        assert (out[:, :8] == (1, 2, 3)).all()
        assert processed(stage, plain(1, 1, 1, 2, 3)).tolist() == [[[255, 0, 0]]]

    def test_scaling_weighs_by_alpha(self, mark: Marks) -> None:
        """Hidden green does not bleed: opaque red beside it gives shades of red over black only."""
        pixels = plain(16, 16, 0, 255, 0, 0)
        pixels[:, :8] = (255, 0, 0, 255)
        out = processed(mark(pixels, scale="50%", position="left top"), plain(10, 10, 0, 0, 0))
        assert out[..., 0].max() == 255
        assert out[..., 1].max() == 0

    def test_tiles_cover_the_picture_from_their_place(self, mark: Marks) -> None:
        """3x2 with a gap of one, at the lower right less the margin, cut off at the other edges."""
        out = processed(mark(plain(2, 3, 255, 255, 255, 255), tile=True, margin=1), plain(9, 12, 0))[..., 0]
        rows = [(row - 6) % 3 != 2 for row in range(9)]
        columns = [(column - 8) % 4 != 3 for column in range(12)]
        assert (out == np.outer(rows, columns) * 255).all()

    @pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 5), (600, 530)])
    def test_tiles_without_a_gap_leave_none(self, mark: Marks, size: tuple[int, int]) -> None:
        """Marks of one pixel and of odd sizes; each pixel is covered once, so half opacity is half everywhere."""
        stage = mark(plain(1, 1, 255, 255, 255, 255), tile=True, opacity=0.5)
        assert (processed(stage, plain(*size, 0)) == 128).all()
        stage = mark(plain(7, 11, 255, 255, 255, 255), tile=True, opacity=0.5, position="centre")
        assert (processed(stage, plain(*size, 0)) == 128).all()

    def test_a_gap_wider_than_the_picture_leaves_one_tile(self, mark: Marks) -> None:
        """The margin pushes all other copies out."""
        out = processed(mark(plain(1, 1, 255, 255, 255, 255), tile=True, margin=900), plain(9, 9, 0))
        assert out.sum() == 255
        assert out[4, 4] == 255


class TestOverlayColours:
    @given(st.tuples(BYTES, BYTES, BYTES, BYTES), BYTES)
    def test_over_an_opaque_picture(self, mark: Marks, over: tuple[int, int, int, int], below: int) -> None:
        """C * alpha + B * (1 - alpha), to the nearest level."""
        out = processed(mark([[over]]), plain(1, 1, below, below, below))
        want = [math.floor(Fraction(c * over[3] + below * (255 - over[3]), 255) + Fraction(1, 2)) for c in over[:3]]
        assert out.tolist() == [[want]]

    @given(st.tuples(BYTES, BYTES, BYTES, BYTES), st.tuples(BYTES, BYTES, BYTES, BYTES), st.sampled_from([1, 257]))
    def test_over_a_picture_with_alpha(self, mark: Marks, over: Any, below: Any, unit: int) -> None:
        """W3C: alpha is a + b(1 - a), colour (a C + b B (1 - a)) / alpha, straight again; in 8 and in 16 bits."""
        pixels = plain(1, 1, *(v * unit for v in below), dtype="uint8" if unit == 1 else "uint16")
        white, a, b = 255 * unit, Fraction(over[3], 255), Fraction(below[3], 255)
        alpha = a + b * (1 - a)
        want = list(pixels[0, 0, :3])
        if alpha:
            pairs = zip(over[:3], below[:3], strict=True)
            want = [(a * c + b * d * (1 - a)) / alpha * unit for c, d in pairs]
        want = [math.floor(v + Fraction(1, 2)) for v in (*want, alpha * white)]
        assert processed(mark([[over]]), pixels).tolist() == [[want]]

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_where_the_mark_is_clear_nothing_changes(self, mark: Marks, dtype: str, channels: int) -> None:
        """Neither beside the mark, nor where its alpha or opacity is 0, nor hidden colours under an alpha of 0."""
        pixels = noise(20, 30, channels, dtype)
        pixels[:10, :, -1] = 0
        clear = plain(20, 30, 200, 100, 50, 0)
        assert (processed(mark(clear), pixels) == pixels).all()
        assert (processed(mark(plain(20, 30, 200, 100, 50, 255), opacity=0.0), pixels) == pixels).all()
        out = processed(mark(plain(5, 6, 200, 100, 50, 255)), pixels)
        assert (out[:15] == pixels[:15]).all()
        assert (out[:, :24] == pixels[:, :24]).all()
        assert (out[15:, 24:] != pixels[15:, 24:]).any()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_dtypes_and_models_agree_with_floats(self, mark: Marks, dtype: str, channels: int) -> None:
        """Soft alpha, half opacity: within a level and a half of 8 bits of the formula in float64."""
        pixels, over = noise(40, 60, channels, dtype), noise(40, 60, 4)
        white = WHITE[dtype]
        a = np.floor(over[..., 3:] * 0.5 * (white / 255) + 0.5) / white if dtype != "float32" else over[..., 3:] / 510
        c = over[..., :3] / 255
        c = c @ [[0.299], [0.587], [0.114]] if channels < 3 else c
        b = pixels[..., -1:] / white if channels in (2, 4) else 1.0
        base = pixels[..., : c.shape[2]] / white
        alpha = a + b * (1 - a)
        want = (a * c + b * base * (1 - a)) / np.maximum(alpha, 1e-9)
        got = processed(mark(over, opacity=0.5), pixels) / white
        assert np.abs(got[..., : c.shape[2]] - want)[alpha[..., 0] > 0].max() < 1.5 / (white if white > 1 else 1e6)
        if channels in (2, 4):
            assert np.abs(got[..., -1:] - alpha).max() < 0.51 / (white if white > 1 else 1e5)

    def test_is_within_two_levels_of_pillow(self, mark: Marks) -> None:
        """`alpha_composite`, which keeps fewer digits; where both are nearly clear its colours are coarse."""
        below, over = noise(40, 50, 4), noise(40, 50, 4)[::-1]
        want = np.asarray(Image.alpha_composite(Image.fromarray(below), Image.fromarray(over))).astype(int)
        got = processed(mark(over), below).astype(int)
        seen = want[..., 3] > 20
        assert np.abs(got - want)[seen].max() <= 2
        assert np.abs(got - want)[..., 3].max() <= 1

    def test_a_mark_without_alpha_is_opaque_and_16_bits_are_scaled(self, mark: Marks) -> None:
        """Gray of 16 bits is v / 257, where Pillow would clip it to white."""
        assert processed(mark(plain(2, 2, 9, 8, 7)), plain(2, 2, 1, 1, 1)).tolist() == [[[9, 8, 7]] * 2] * 2
        path = mark.folder / "deep.png"
        Image.fromarray(np.full((2, 2), 25700, np.uint16)).save(path)
        assert (processed(Overlay(str(path)), plain(2, 2, 1)) == 100).all()

    def test_frames_of_several_specs_do_not_disturb_each_other(self, mark: Marks) -> None:
        """More Specs than marks are kept, twice over: the same results."""
        stage = mark(noise(9, 9, 4), scale="30%")
        frames = [noise(20 + n, 30, channels) for n in range(3) for channels in (1, 2, 3, 4)]
        first = [processed(stage, pixels) for pixels in frames]
        assert all((processed(stage, pixels) == out).all() for pixels, out in zip(frames, first, strict=True))


class TestOverlayFile:
    def test_a_missing_file_is_a_mistake_in_the_config(self, tmp_path: Path) -> None:
        """Said before a run begins."""
        with pytest.raises(UsageError, match="does not exist") as caught:
            Overlay(str(tmp_path / "none.png"))
        assert caught.value.remedy

    def test_what_is_no_picture_is_said_when_it_is_opened(self) -> None:
        """In one line that names the file."""
        with pytest.raises(UsageError, match=r"\Aoverlay image '[^\n]+ cannot be read: [^\n]+\Z"):
            Overlay(__file__).open()

    @pytest.mark.parametrize(
        "params",
        [{"margin": -1}, {"margin": "5"}, {"margin": "x%"}, {"margin": "-1%"}, {"scale": "0%"}, {"scale": "101%"}],
    )
    def test_refuses_lengths_that_are_none(self, params: dict[str, Any]) -> None:
        """Negative, without a unit, beyond the picture."""
        with pytest.raises(UsageError):
            Overlay(__file__, **params)

    def test_needs_every_pixel_and_keeps_the_spec(self) -> None:
        """Inks are refused with a remedy."""
        stage, spec = Overlay(__file__), Spec(30, 40)
        assert stage.output_spec(spec) is spec
        assert stage.required_input(spec, Size(1, 1)) == (30, 40)
        with pytest.raises(SpecError) as caught:
            stage.output_spec(Spec.of("cmyk", 2, 2))
        assert caught.value.remedy
