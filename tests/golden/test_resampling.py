"""What resize must look like: aliasing, edges, alpha, rounding. The figures and their sources are in `images.md`."""

from __future__ import annotations

import importlib.util
import math
from types import ModuleType

import numpy as np
import pytest
from harness import ROOT
from PIL import Image

from pipeline import Colour, Frame, Item, Size, Spec
from stages.codecs.jpeg import Jpeg
from stages.transforms.resize import Resize

MODELS = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}


def frame(pixels: np.ndarray, spec: Spec | None = None) -> Frame:
    spec = spec or Spec.of(MODELS[pixels.shape[2]], *pixels.shape[:2], dtype=pixels.dtype.name)
    return Frame(Item(0, "x.jpg"), 0, spec, pixels)


def resize(pixels: np.ndarray, **params: object) -> np.ndarray:
    stage, source = Resize(**params), frame(pixels)  # type: ignore[arg-type]
    target = stage.output_spec(source.spec)
    out = np.empty(target.shape, target.dtype)
    stage.process(source, out)
    return out


def thumbnail(data: memoryview, stage: Resize) -> np.ndarray:
    """Header, push-down, decoding and resize, as the engine does it."""
    codec = Jpeg()
    full = codec.header(data).spec
    target = stage.output_spec(full)
    spec = codec.shrunk(full, stage.required_input(full, target.size))
    pixels = np.empty(spec.shape, spec.dtype)
    codec.decode(data, spec, pixels)
    assert stage.output_spec(spec) == target
    out = np.empty(target.shape, target.dtype)
    stage.process(frame(pixels, spec), out)
    return out


def jpeg(pixels: np.ndarray, quality: int = 95) -> memoryview:
    return memoryview(bytes(Jpeg(quality=quality, subsampling="444").encode(frame(pixels))))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * math.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


@pytest.fixture(scope="module")
def painter() -> ModuleType:
    """samples/make_photos.py as a module."""
    spec = importlib.util.spec_from_file_location("make_photos", ROOT / "samples/make_photos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def zone_plate() -> tuple[np.ndarray, np.ndarray]:
    """A zone plate (1024, 1024, 3) and the source frequency in cycles a pixel at each of 256x256 output pixels."""
    y, x = np.mgrid[0:1024, 0:1024]
    plate = np.rint(127.5 + 127.5 * np.cos(np.pi / 2048 * (x**2 + y**2)))
    place = np.arange(256) * 4 + 1.5
    frequency = np.hypot(*np.meshgrid(place, place)) / 2048
    return np.repeat(plate.astype(np.uint8)[:, :, None], 3, axis=2), frequency


@pytest.mark.parametrize(
    ("kernel", "stop_at_most", "pass_at_least"),
    [("lanczos3", 9, 88), ("cubic", 9, 86), ("mitchell", 9, 75), ("linear", 9, 75), ("area", 17, 84)],
)
def test_frequencies_beyond_the_output_do_not_alias(kernel: str, stop_at_most: float, pass_at_least: float) -> None:
    """Zone plate 1024 to 256: what the output cannot hold is gone, what it can hold is kept (trap 1)."""
    plate, frequency = zone_plate()
    out = resize(plate, width=256, height=256, kernel=kernel)[:, :, 0].astype(float)
    assert out[(frequency > 0.16) & (frequency < 0.45)].std() <= stop_at_most
    assert out[frequency < 0.07].std() >= pass_at_least


def test_nearest_is_the_kernel_that_aliases() -> None:
    """The measure of the test above can fail: nearest keeps all of what should be gone."""
    plate, frequency = zone_plate()
    out = resize(plate, width=256, height=256, kernel="nearest")[:, :, 0].astype(float)
    assert out[(frequency > 0.16) & (frequency < 0.45)].std() > 80


@pytest.mark.parametrize("fit", ["inside", "cover"])
def test_shrink_on_load_leaves_the_stop_band_clean(fit: str) -> None:
    """The same plate as a JPEG decoded at M/8 with the default gap stays within the bound for quality."""
    plate, frequency = zone_plate()
    out = thumbnail(jpeg(plate), Resize(width=256, height=256, fit=fit))[:, :, 0].astype(float)  # type: ignore[arg-type]
    assert out[(frequency > 0.16) & (frequency < 0.45)].std() <= 9
    assert out[frequency < 0.07].std() >= 88


def test_edges_weigh_as_if_every_pixel_was_decoded() -> None:
    """A red frame one pixel wide around 257x257, to 30 px: no edge moves by more than 10 levels (trap 3).

    6 of these are the 2/8 decoder's own, at the top and left where nothing is cut. At the bottom and right Pillow has
    29 with a fractional box and 88 without.
    """
    pixels = np.full((257, 257, 3), 255, np.uint8)
    pixels[[0, -1]] = pixels[:, [0, -1]] = (255, 0, 0)
    data = jpeg(pixels)
    exact = thumbnail(data, Resize(width=30, height=30, reducing_gap=None)).astype(int)
    quick = thumbnail(data, Resize(width=30, height=30)).astype(int)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert abs(exact[edge].mean(axis=0) - quick[edge].mean(axis=0)).max() <= 10
    assert exact[0, 15, 1] < 250, "the frame shows at all"


@pytest.mark.parametrize("width", [96, 128, 250])
def test_shrink_on_load_is_close_to_a_full_decode(width: int, painter: ModuleType) -> None:
    """A synthetic photograph through M/8 and through a full decode: at least 44 dB (trap 2), and it did shrink."""
    pixels = painter.eight_bit(painter.mountains(np.random.default_rng(5), 1200, 1600))
    data, stage = jpeg(pixels, 90), Resize(width=width, fit="inside")
    spec = Jpeg().header(data).spec
    assert Jpeg().shrunk(spec, stage.required_input(spec, Size(1, 1))).width < 1600
    exact = thumbnail(data, Resize(width=width, fit="inside", reducing_gap=None))
    assert psnr(thumbnail(data, stage), exact) >= 44


def test_agrees_with_pillow_on_the_kernel(painter: ModuleType) -> None:
    """Lanczos3 from all pixels differs from Pillow's by rounding only: at least 55 dB."""
    pixels = painter.eight_bit(painter.forest(np.random.default_rng(6), 300, 400))
    want = np.asarray(Image.fromarray(pixels).resize((150, 113), Image.Resampling.LANCZOS))
    assert psnr(resize(pixels, width=150, height=113, fit="fill"), want) >= 55


def test_hidden_colour_does_not_show() -> None:
    """Four opaque red columns beside five transparent green ones: red mixes with a third of alpha (trap 6)."""
    pixels = np.zeros((8, 9, 4), np.uint8)
    pixels[:, :4], pixels[:, 4:] = (255, 0, 0, 255), (0, 255, 0, 0)
    out = resize(pixels, width=3, height=8, fit="fill", kernel="area")
    assert out[4].tolist() == [[255, 0, 0, 255], [255, 0, 0, 85], [0, 0, 0, 0]]


@pytest.mark.parametrize(("dtype", "peak"), [("uint16", 65535), ("float32", 1.0)])
def test_faint_colours_survive_in_wide_samples(dtype: str, peak: float) -> None:
    """(200, 100, 50) at alpha 3/255 keeps its colour in 16 bits and float; 8 bits lose some of it, as in Pillow."""
    pixels = np.empty((8, 8, 4))
    pixels[...] = np.array([200, 100, 50, 3]) / 255 * peak
    out = resize(np.ascontiguousarray(pixels.astype(dtype)), width=4)
    assert abs(out[2, 2] / peak * 255 - [200, 100, 50, 3]).max() < 0.5


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic", "mitchell", "lanczos3", "area"])
def test_a_plain_picture_stays_plain(channels: int, dtype: str, kernel: str) -> None:
    """Weights add up to one in every type, number of channels and kernel, up and down."""
    value = {"uint8": 201, "uint16": 51234, "float32": 0.7}[dtype]
    pixels = np.full((20, 31, channels), value, dtype)
    for width in (7, 64):
        out = resize(pixels, width=width, kernel=kernel)
        assert out.dtype == dtype
        assert np.allclose(out, value, rtol=1e-5, atol=0 if dtype == "float32" else 1)


def test_sixteen_bits_are_not_eight() -> None:
    """A faint ramp over 256 of 65536 levels keeps its steps."""
    ramp = np.repeat(np.arange(512, dtype=np.uint16)[None, :, None] // 2 + 30000, 16, axis=0)
    out = resize(ramp, width=256, height=8, fit="fill")
    assert len(np.unique(out)) > 200


def test_contain_lays_the_picture_on_its_background() -> None:
    """The margins have the colour asked for, in the model and type of the frame, and alpha where there is some."""
    gray = resize(
        np.zeros((10, 20, 1), np.uint16), width=10, height=10, fit="contain", background=Colour(255, 255, 255)
    )
    assert gray[0, 0] == 65535
    assert gray[5, 5] == 0
    ground = Colour(1, 2, 3, 128)
    rgba = resize(np.zeros((20, 10, 4), np.uint8), width=10, height=10, fit="contain", background=ground)
    assert rgba[5, 0].tolist() == [1, 2, 3, 128]
    assert rgba[5, 5].tolist() == [0, 0, 0, 0]
    left = resize(np.full((20, 10, 3), 9, np.uint8), width=10, height=10, fit="contain", position="left")
    assert left[0, 0, 0] == 9
    assert left[0, -1, 0] == 0


@pytest.mark.parametrize(
    ("position", "shown"),
    [
        ("left", 0),
        ("west", 0),
        ("centre", 1),
        ("center", 1),
        ("right", 2),
        ("east", 2),
        ("northeast", 2),
        ("left top", 0),
    ],
)
def test_cover_keeps_the_part_asked_for(position: str, shown: int) -> None:
    """Of three plain thirds the one at the position fills the output."""
    pixels = np.repeat(np.uint8([10, 100, 200]), 30)[None, :, None].repeat(30, axis=0)
    out = resize(np.ascontiguousarray(pixels), width=8, height=8, position=position)
    assert abs(out[:, 2:6].astype(int) - (10, 100, 200)[shown]).max() <= 3
