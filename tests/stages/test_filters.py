"""Stages that filter: blur, sharpen, denoise, clahe; and those that leave out by size and sharpness."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from pipeline import EnvironmentRefusal, Frame, Item, Skip, Spec, SpecError, Transform, UsageError
from stages.transforms.blur import Blur
from stages.transforms.clahe import Clahe
from stages.transforms.denoise import Denoise
from stages.transforms.filter_sharpness import FilterSharpness
from stages.transforms.filter_size import FilterSize
from stages.transforms.sharpen import Sharpen

Pixels = np.ndarray[Any, Any]
MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}
WHITE = {"uint8": 255, "uint16": 65535, "float32": 1.0}
DTYPES = ("uint8", "uint16", "float32")


def frame_of(pixels: Pixels, **more: Any) -> Frame:
    """A frame around read-only (H, W, C) pixels."""
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    height, width, channels = pixels.shape
    spec = Spec(height, width, channels, **{"dtype": pixels.dtype.name, "model": MODELS[channels], **more})
    return Frame(Item(0, "a.png"), 0, spec, pixels)


def run(stage: Transform, pixels: Pixels, fill: int = 0xAA) -> Pixels:
    """What a stage makes of pixels, in memory that held `fill` before."""
    frame = frame_of(pixels)
    spec = stage.output_spec(frame.spec)
    out = np.full(spec.nbytes, fill, np.uint8).view(spec.dtype).reshape(spec.shape)
    stage.process(frame, out)
    return out


def gaussian(pixels: Pixels, sigma: float) -> Pixels:
    """The blur by its formula, in float64, on the mirrored picture."""
    reach = int(np.ceil(5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = np.pad(pixels.astype(float), ((reach, reach), (reach, reach), (0, 0)), "reflect")
    for axis in (0, 1):
        blurred = np.apply_along_axis(np.convolve, axis, blurred, kernel, mode="valid")
    return blurred


def step(low: float, high: float, channels: int = 1, dtype: str = "uint8") -> Pixels:
    """A vertical edge between columns 15 and 16 of 24 x 32 pixels."""
    pixels = np.full((24, 32, channels), low, dtype)
    pixels[:, 16:] = high
    return pixels


def noise(shape: tuple[int, ...], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def flat_noise(shape: tuple[int, ...], middle: float, deviation: float, dtype: str = "uint8") -> Pixels:
    """Gaussian noise in levels of 8 bits, in the scale of a dtype."""
    levels = np.random.default_rng(1).normal(middle, deviation, shape) * WHITE[dtype] / 255
    return (levels if dtype == "float32" else np.rint(levels)).astype(dtype)


class TestBlur:
    @pytest.mark.parametrize("kind", ["gaussian", "box", "median"])
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_a_plain_picture_stays_as_it_is(self, kind: Any, dtype: str, channels: int) -> None:
        """One colour blurred is that colour, up to the border and at half transparency."""
        if kind == "median" and channels in (2, 4):
            return
        colour = (np.array([0.7, 0.5, 0.2, 0.5][:channels]) * WHITE[dtype]).astype(dtype)
        pixels = np.broadcast_to(colour, (9, 7, channels))
        np.testing.assert_allclose(run(Blur(sigma=1.4, kind=kind), pixels), pixels, rtol=1e-5)

    @pytest.mark.parametrize("sigma", [0.8, 2.0, 4.5])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_a_point_becomes_the_bell_curve(self, sigma: float, dtype: str) -> None:
        """The response to one white pixel is the Gaussian, within a level of 8 bits."""
        pixels = np.zeros((51, 51, 1), dtype)
        pixels[25, 25] = WHITE[dtype]
        error = run(Blur(sigma=sigma), pixels) - gaussian(pixels, sigma)
        assert np.abs(error).max() <= WHITE[dtype] / 255

    def test_the_picture_goes_on_as_its_mirror_image(self) -> None:
        """Borders of noise are what the formula gives on the mirrored picture; beyond 8 bits within 20 of 65535."""
        pixels = noise((20, 30, 3)).astype(np.uint16) * 257
        assert np.abs(run(Blur(sigma=2), pixels) - gaussian(pixels, 2)).max() < 20

    @pytest.mark.parametrize("kind", ["gaussian", "box"])
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [2, 4])
    def test_hidden_colours_do_not_show(self, kind: Any, dtype: str, channels: int) -> None:
        """Red beside transparent green stays pure red where anything is seen; alpha is blurred as a plain picture."""
        white = WHITE[dtype]
        pixels = np.zeros((9, 20, channels), dtype)
        pixels[:, :10, 0] = pixels[:, :10, -1] = white
        pixels[:, 10:, -2] = white  # the hidden colour; with gray_alpha it is as white as what is seen
        blurred = run(Blur(sigma=2, kind=kind), pixels)
        alpha = run(Blur(sigma=2, kind=kind), pixels[:, :, -1:])[:, :, 0]
        assert np.abs(blurred[:, :, -1].astype(float) - alpha).max() <= white * 2 / 255
        seen = blurred[:, :, -1] > white / 1000
        assert 100 < seen.sum() < 180
        np.testing.assert_allclose(blurred[seen][:, 0], white, rtol=1e-4)
        if channels == 4:
            assert blurred[seen][:, 1:3].max() <= white * 1e-4
        assert (blurred[:, 18:] == 0).all()  # out of reach

    def test_opaque_pictures_do_not_care_that_they_could_be_transparent(self) -> None:
        """RGBA with alpha at its most gives the colours that RGB gives."""
        colours = noise((17, 23, 3))
        pixels = np.dstack([colours, np.full((17, 23), 255, np.uint8)])
        blurred = run(Blur(sigma=1.5), pixels)
        assert (blurred[:, :, :3] == run(Blur(sigma=1.5), colours)).all()
        assert (blurred[:, :, 3] == 255).all()

    @pytest.mark.parametrize(("sigma", "width"), [(0.5, 3), (1.0, 3), (1.4, 5), (2.0, 7), (10.0, 35)])
    def test_a_box_is_as_wide_as_sigma_says(self, sigma: float, width: int) -> None:
        """The window is the odd one whose variance is nearest, and each pixel in it weighs the same."""
        pixels = np.zeros((51, 51, 1), np.float32)
        pixels[25, 25] = 1
        blurred = run(Blur(sigma=sigma, kind="box"), pixels)[:, :, 0]
        reach = width // 2
        inside = blurred[25 - reach : 26 + reach, 25 - reach : 26 + reach]
        np.testing.assert_allclose(inside, 1 / width**2, rtol=1e-5)
        assert blurred.sum() == pytest.approx(1)

    def test_a_median_takes_specks_out_and_keeps_edges(self) -> None:
        """A white pixel vanishes, and the edge beside it stays where it was."""
        pixels = step(50, 150, 3)
        speck = pixels.copy()
        speck[12, 5] = 255
        assert (run(Blur(sigma=1, kind="median"), speck) == pixels).all()

    def test_what_cannot_be_blurred_is_refused_with_a_remedy(self) -> None:
        """Planes, five channels; medians of alpha, of two channels, of wide windows beyond 8 bits."""
        plain, median = Blur(sigma=1), Blur(sigma=2, kind="median")
        for stage, spec in (
            (plain, Spec(9, 9, model="yuv420")),
            (plain, Spec(9, 9, 5, model="other")),
            (median, Spec.of("rgba", 9, 9)),
            (median, Spec(9, 9, 2, model="other")),
            (median, Spec.of("gray", 9, 9, dtype="uint16")),
        ):
            with pytest.raises(SpecError) as caught:
                stage.output_spec(spec)
            assert caught.value.remedy
        with pytest.raises(UsageError):
            Blur(sigma=90, kind="median")


class TestSharpen:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_is_the_unsharp_mask(self, dtype: str, channels: int) -> None:
        """Noise comes out as in + amount (in - blur) within 1.5 levels of 8 bits, cut to the range of whole numbers."""
        pixels = (noise((20, 30, channels)) / 255 * WHITE[dtype]).astype(dtype)
        want = pixels + 0.8 * (pixels - gaussian(pixels, 1.2))
        if dtype != "float32":
            want = want.clip(0, WHITE[dtype])
        error = np.abs(run(Sharpen(sigma=1.2, amount=0.8), pixels) - want)
        assert error.max() <= {"uint8": 1.5, "uint16": 20, "float32": 1e-5}[dtype]

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_raises_edges_and_leaves_plain_areas(self, dtype: str) -> None:
        """An edge of 100 to 150 gets a darker and a brighter rim; four pixels beside it nothing has changed."""
        unit = WHITE[dtype] / 255
        pixels = step(100 * unit, 150 * unit, 3, dtype)
        sharp = run(Sharpen(), pixels)
        assert sharp.max() > 160 * unit
        assert sharp.min() < 90 * unit
        np.testing.assert_allclose(sharp[:, :11], pixels[:, :11], rtol=1e-5)
        np.testing.assert_allclose(sharp[:, 21:], pixels[:, 21:], rtol=1e-5)

    def test_never_wraps_around(self) -> None:
        """Black beside white cannot get steeper: it stays as it is."""
        assert (run(Sharpen(amount=5), step(0, 255)) == step(0, 255)).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_differences_up_to_the_threshold_are_left(self, dtype: str) -> None:
        """A step of 8 levels differs from its blur by 2.4: kept at a threshold of 3, sharpened at 1."""
        unit = WHITE[dtype] / 255
        pixels = step(100 * unit, 108 * unit, 1, dtype)
        assert (run(Sharpen(threshold=3), pixels) == pixels).all()
        assert (run(Sharpen(threshold=1), pixels) != pixels).any()
        at_most = run(Sharpen(threshold=2), pixels)  # a difference of 2.4 is 2 in whole numbers
        assert (at_most == pixels).all() == (dtype == "uint8")

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [2, 4])
    def test_hidden_colours_cast_no_halo(self, dtype: str, channels: int) -> None:
        """A plain area beside transparent white stays plain, and alpha stays as it is."""
        white = WHITE[dtype]
        pixels = np.full((9, 20, channels), 0.4 * white).astype(dtype)
        pixels[:, :10, -1] = white
        pixels[:, 10:, :-1] = white
        pixels[:, 10:, -1] = 0
        sharp = run(Sharpen(amount=3), pixels)
        np.testing.assert_allclose(sharp[:, :10, :-1], pixels[:, :10, :-1], rtol=1e-5)
        assert (sharp[:, :, -1] == pixels[:, :, -1]).all()


class TestDenoise:
    @pytest.mark.parametrize(("method", "dtype", "factor"), [
        ("bilateral", "uint8", 3), ("bilateral", "uint16", 3), ("bilateral", "float32", 3), ("nlmeans", "uint8", 8),
    ])  # fmt: skip
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_less_noise_and_the_same_edge(self, method: Any, dtype: str, factor: float, channels: int) -> None:
        """Noise of 10 levels falls to a third (bilateral) or an eighth (nlmeans); an edge of 90 keeps 85 of them."""
        unit = WHITE[dtype] / 255
        pixels = flat_noise((64, 64, channels), 80, 10, dtype)
        pixels[:, 32:] = flat_noise((64, 32, channels), 170, 10, dtype)
        clean = run(Denoise(strength=10, method=method), pixels)
        colours = channels - (channels in (2, 4))
        for place in range(colours):
            left, right = clean[:, :32, place] / unit, clean[:, 32:, place] / unit
            assert left[:, 8:24].std() < pixels[:, 8:24, place].std() / unit / factor
            assert right[:, 1].mean() - left[:, -2].mean() > 85
        assert (clean[:, :, colours:] == pixels[:, :, colours:]).all()

    @pytest.mark.parametrize("method", ["bilateral", "nlmeans"])
    def test_neutral_rgb_is_gray(self, method: Any) -> None:
        """Three equal channels come out equal, and the bilateral filter makes of them what it makes of one."""
        gray = flat_noise((40, 40, 1), 120, 10)
        colour = run(Denoise(strength=10, method=method), np.repeat(gray, 3, axis=2))
        assert (np.ptp(colour, axis=2) == 0).all()
        if method == "bilateral":
            assert (colour[:, :, :1] == run(Denoise(strength=10), gray)).all()

    def test_sixteen_bits_stay_sixteen(self) -> None:
        """Levels between those of 8 bits come out, and details larger than the noise stay within a level of 8 bits."""
        ramp = np.repeat(np.arange(1000, 3560, 40, dtype=np.uint16)[:, np.newaxis], 64, axis=1)[:, :, np.newaxis]
        clean = run(Denoise(strength=1), ramp)
        assert len(np.unique(clean)) > 40
        assert np.abs(clean.astype(int) - ramp)[4:-4].max() < 257

    def test_what_cannot_be_denoised_is_refused_with_a_remedy(self) -> None:
        """Planes, inks, and non-local means beyond 8 bits; the message says which dtype is wanted."""
        with pytest.raises(SpecError, match="nlmeans wants dtype uint8, got uint16; convert before this stage, or use"):
            Denoise(method="nlmeans").output_spec(Spec.of("rgb", 9, 9, dtype="uint16"))
        for spec in (Spec.of("yuv420", 9, 9), Spec.of("cmyk", 9, 9)):
            with pytest.raises(SpecError) as caught:
                Denoise().output_spec(spec)
            assert caught.value.remedy


class TestClahe:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_raises_low_contrast(self, dtype: str, channels: int) -> None:
        """A dull gradient gets at least 1.5 times the standard deviation, alpha stays as it is."""
        waves = 128 + 8 * np.sin(np.arange(96) / 5)[:, np.newaxis] + 8 * np.sin(np.arange(128) / 7)
        pixels = np.rint(np.repeat(waves[:, :, np.newaxis], channels, axis=2) * WHITE[dtype] / 255).astype(dtype)
        even = run(Clahe(clip_limit=4), pixels)
        assert even[:, :, 0].std() > 1.5 * pixels[:, :, 0].std()
        if channels in (2, 4):
            assert (even[:, :, -1] == pixels[:, :, -1]).all()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_neutral_colours_stay_neutral(self, dtype: str) -> None:
        """Every gray of rgb comes out with equal red, green and blue (beyond 8 bits within a thousandth)."""
        gray = np.random.default_rng(0).integers(0, WHITE[dtype] + 1, (64, 96, 1), dtype)
        even = run(Clahe(clip_limit=3), np.repeat(gray, 3, axis=2))
        assert np.ptp(even.astype(int), axis=2).max() <= {"uint8": 0, "uint16": 65}[dtype]

    def test_a_plain_picture_stays_as_it_is(self) -> None:
        """Nothing to even out: black, white and the strongest colours come back within a level."""
        for colour in [*noise((40, 3)), (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]:
            pixels = np.broadcast_to(np.array(colour, np.uint8), (24, 32, 3))
            assert np.abs(run(Clahe(), pixels).astype(int) - pixels).max() <= 1

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_black_and_white_stay(self, dtype: str) -> None:
        """However levels are moved, those at the ends are not: a white background stays white."""
        pixels = noise((64, 96, 1)).astype(dtype) * int(WHITE[dtype] // 255)
        pixels[:20], pixels[50:] = 0, WHITE[dtype]
        even = run(Clahe(), pixels)
        assert (even[:20] == 0).all()
        assert (even[50:] == WHITE[dtype]).all()

    def test_colours_keep_their_hue(self) -> None:
        """Lightness changes by up to 20 of 100; a and b of Lab stay within 2 where no channel is at its end."""
        import cv2

        def lab(pixels: Pixels) -> Pixels:
            return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))

        pixels = run(Blur(sigma=6), noise((96, 128, 3)))
        even = run(Clahe(clip_limit=4), pixels)
        whole = ((even > 0) & (even < 255)).all(axis=2)
        change = np.abs(lab(even) - lab(pixels))[whole]
        assert whole.mean() > 0.9
        assert change[:, 0].max() > 5
        assert change[:, 1:].max() < 2

    def test_sixteen_bits_agree_with_eight_and_are_finer(self) -> None:
        """The same picture in both depths differs by the steps of 8 bits only, and has many more levels."""
        y, x = np.mgrid[0:96, 0:128]
        share = 0.4 + 0.2 * np.sin(x / 9) * np.cos(y / 11)
        deep = np.rint(share * 65535).astype(np.uint16)[:, :, np.newaxis]
        shallow = np.rint(share * 255).astype(np.uint8)[:, :, np.newaxis]
        even_deep, even = run(Clahe(), deep), run(Clahe(), shallow)
        assert np.abs(even_deep / 257 - even).max() < 6
        assert len(np.unique(even_deep)) > 20 * len(np.unique(even))

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_the_limit_holds(self, dtype: str) -> None:
        """Noise on a flat area is at most 3.5 times as strong with a limit of 2, whatever the depth."""
        pixels = flat_noise((192, 256, 1), 124, 1.6, dtype)
        assert run(Clahe(clip_limit=2), pixels).std() < 3.5 * pixels.std()

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (17, 8)])
    def test_pictures_smaller_than_the_tiles(self, dtype: str, shape: tuple[int, int]) -> None:
        """Fewer pixels than tiles in a direction are no error."""
        run(Clahe(tiles=12), np.full((*shape, 1), 9, dtype))
        run(Clahe(tiles=12), np.full((*shape, 3), 9, dtype))

    def test_what_has_no_histogram_of_whole_numbers_is_refused(self) -> None:
        """float32 and planes, with a remedy."""
        for spec in (Spec(9, 9, dtype="float32"), Spec.of("yuv420", 9, 9)):
            with pytest.raises(SpecError) as caught:
                Clahe().output_spec(spec)
            assert caught.value.remedy


NOTHING = np.empty(0)


class TestFilterSize:
    @pytest.mark.parametrize(
        ("bound", "text"),
        [
            ({"min_width": 800}, "640x480 is narrower than min_width 800"),
            ({"max_width": 600}, "640x480 is wider than max_width 600"),
            ({"min_height": 481}, "640x480 is lower than min_height 481"),
            ({"max_height": 479}, "640x480 is higher than max_height 479"),
            ({"min_pixels": 400_000}, "640x480 has 307200 pixels, fewer than min_pixels 400000"),
            ({"max_pixels": 300_000}, "640x480 has 307200 pixels, more than max_pixels 300000"),
            ({"min_aspect": 1.5}, "640x480 has aspect 1.333, less than min_aspect 1.5"),
            ({"max_aspect": 1}, "640x480 has aspect 1.333, more than max_aspect 1"),
            ({"min_width": 10, "max_height": 100}, "640x480 is higher than max_height 100"),
        ],
    )
    @pytest.mark.parametrize(
        "spec",
        [
            Spec(480, 640),
            Spec(480, 640).shrunk(60, 80),
            Spec(640, 480, orientation=6).shrunk(160, 120),
            Spec.of("yuv420", 480, 640, orientation=3),
        ],
        ids=str,
    )
    def test_says_size_and_bound(self, bound: dict[str, Any], text: str, spec: Spec) -> None:
        """Verdict and words are the same for a frame shrunk on load, for one that lies on its side, and for planes."""
        with pytest.raises(Skip) as caught:
            FilterSize(**bound).process(Frame(Item(0, ""), 0, spec, NOTHING), NOTHING)
        assert str(caught.value) == text

    def test_bounds_are_inclusive(self) -> None:
        """A picture exactly on all bounds passes."""
        stage = FilterSize(
            min_width=640, max_width=640, min_height=480, max_height=480,
            min_pixels=307_200, max_pixels=307_200, min_aspect=4 / 3, max_aspect=4 / 3,
        )  # fmt: skip
        stage.process(Frame(Item(0, ""), 0, Spec(480, 640), NOTHING), NOTHING)

    def test_bounds_that_make_no_sense_are_refused(self) -> None:
        """None at all, and a least that is above the greatest."""
        with pytest.raises(UsageError, match="filter_size has no bound; give at least one"):
            FilterSize()
        with pytest.raises(UsageError, match="no picture passes min_width 9 and max_width 8"):
            FilterSize(min_width=9, max_width=8)


class TestFilterSharpness:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_measures_what_people_know_the_measure_by(self, dtype: str, channels: int) -> None:
        """Within a hundredth of `cv2.Laplacian(gray, cv2.CV_64F).var()` on 8-bit gray, for every dtype and model."""
        import cv2

        levels = run(Blur(sigma=1), noise((40, 60, channels)))
        gray = levels[:, :, 0] if channels < 3 else cv2.cvtColor(levels[:, :, :3].copy(), cv2.COLOR_RGB2GRAY)
        want = cv2.Laplacian(gray, cv2.CV_64F).var()
        pixels = levels if dtype == "uint8" else (levels / 255 * WHITE[dtype]).astype(dtype)
        frame = frame_of(pixels)
        FilterSharpness(min=want * 0.99).process(frame, NOTHING)
        with pytest.raises(Skip):
            FilterSharpness(min=want * 1.01).process(frame, NOTHING)

    def test_says_how_blurred(self) -> None:
        """A flat picture has no variance at all; the message names both numbers."""
        with pytest.raises(Skip) as caught:
            FilterSharpness(min=100).process(frame_of(np.full((8, 8, 3), 77, np.uint8)), NOTHING)
        assert str(caught.value) == "blurred: the variance of its Laplacian is 0.0, below min 100"

    def test_a_blurred_picture_is_left_out_and_its_original_is_not(self) -> None:
        """The bound lies between a picture and its blur by two pixels."""
        pixels = noise((64, 64, 3))
        stage = FilterSharpness(min=100)
        stage.process(frame_of(pixels), NOTHING)
        with pytest.raises(Skip):
            stage.process(frame_of(run(Blur(sigma=2), pixels)), NOTHING)

    @pytest.mark.parametrize("spec", [Spec.of("yuv420", 8, 8), Spec.of("cmyk", 8, 8)], ids=str)
    def test_what_has_no_luma_is_refused_with_a_remedy(self, spec: Spec) -> None:
        """Planes and inks."""
        frame = Frame(Item(0, ""), 0, spec, np.zeros(spec.shape, np.uint8))
        with pytest.raises(SpecError) as caught:
            FilterSharpness(min=100).process(frame, NOTHING)
        assert caught.value.remedy


EVERY = [
    Blur(sigma=1.5), Blur(sigma=1.5, kind="box"), Blur(sigma=1, kind="median"), Sharpen(), Sharpen(threshold=9),
    Denoise(), Denoise(method="nlmeans"), Clahe(), Clahe(tiles=3),
]  # fmt: skip


@pytest.mark.parametrize("stage", EVERY, ids=str)
def test_no_result_depends_on_what_lay_there_before(stage: Transform) -> None:
    """Every variant writes all of its output for every model and dtype that it takes, and refuses the others."""
    for channels in MODELS:
        for dtype in DTYPES:
            pixels = (noise((21, 26, channels), seed=channels) / 255 * WHITE[dtype]).astype(dtype)
            try:
                results = [run(stage, pixels, fill).tobytes() for fill in (0xAA, 0x55)]
            except SpecError as error:
                assert error.remedy
                continue
            assert results[0] == results[1]


@pytest.mark.parametrize("stage", [Blur(sigma=1), Sharpen(), Denoise(), Clahe(), FilterSharpness(min=1)], ids=str)
def test_a_missing_libgl_is_told_at_open(stage: Transform, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenCV that cannot be imported is the environment's fault and comes with what to install."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        EnvironmentRefusal, match=r"needs OpenCV: .*; apt install libgl1, or install opencv-python-head"
    ):
        stage.open()


@pytest.mark.parametrize("stage", EVERY, ids=str)
def test_one_pixel_is_a_picture(stage: Transform) -> None:
    """Windows larger than the picture are no error."""
    for channels in (1, 3):
        assert run(stage, np.full((1, 1, channels), 99, np.uint8)).shape == (1, 1, channels)
