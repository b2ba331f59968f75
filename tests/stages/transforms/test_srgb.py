"""ICC profiles: outputs are sRGB by default, and right against Pillow and LittleCMS alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import profiles
import pytest
from harness import counts
from PIL import Image, ImageCms

from pipeline import config
from pipeline.plan import planning
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

Run = Callable[..., tuple[Report, dict[str, Image.Image]]]
SPACES = {
    "p3": profiles.rgb(profiles.P3, 2.2),
    "adobe": profiles.rgb(profiles.ADOBE, 563 / 256),
    "gray": profiles.gray(1.8),
    "cmyk": profiles.cmyk(),
}
MODES = {"p3": "RGB", "adobe": "RGB", "gray": "L", "cmyk": "CMYK"}


def picture(mode: str, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Smooth colours of every hue."""
    rng = np.random.default_rng(3)
    channels = len(Image.new(mode, (1, 1)).getbands())
    bands = [Image.fromarray(rng.integers(0, 256, (4, 5), np.uint8)) for _ in range(channels)]
    return Image.merge(mode, [band.resize(size, Image.Resampling.BICUBIC) for band in bands])


def in_srgb(image: Image.Image, icc: bytes) -> np.ndarray:
    """What Pillow and LittleCMS make of it."""
    srgb, own = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return np.asarray(ImageCms.profileToProfile(image, own, srgb, outputMode="RGB"))


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run what lies in `in`, unchanged in size, to PNG; the report and the pictures by stem."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()

    def do(icc: str = "srgb", transforms: str = "[]", execute: Callable[[Plan], Report] = execution.run):  # type: ignore[no-untyped-def]
        Path("c.yaml").write_text(
            "version: 1\nreader: {use: folder, path: in, include: ['**/*']}\n"
            f"transforms: {transforms}\nqueues: {{memory: 16MiB}}\n"
            f"writer: {{use: files, path: 'out/{{stem}}.png', icc: {icc}}}\n"
        )
        report = execute(planning.build(config.load("c.yaml")))
        return report, {path.stem: opened(path) for path in sorted(Path("out").iterdir())}

    return do


@pytest.mark.parametrize("execute", [execution.run, serial.run], ids=["workers", "serial"])
@pytest.mark.parametrize("space", SPACES)
def test_profiles_are_converted_to_srgb(run: Run, space: str, execute: Callable[[Plan], Report]) -> None:
    """Each space comes out as LittleCMS converts it, to the pixel, and without a profile."""
    mode, icc = MODES[space], SPACES[space]
    if mode == "CMYK":
        picture(mode).save("in/a.jpg", icc_profile=icc, quality=95)
        source = opened(Path("in/a.jpg"))
    else:
        source = picture(mode)
        source.save("in/a.png", icc_profile=icc)
    _, made = run(execute=execute)
    want, got = in_srgb(source, icc), np.asarray(made["a"].convert("RGB"))
    assert np.abs(got.astype(int) - want).max() <= (1 if mode == "CMYK" else 0)
    assert "icc_profile" not in made["a"].info
    naive = np.asarray(source.convert("RGB")).astype(int)
    assert np.abs(want - naive).max() > 10  # the conversion is not an idle one


def test_alpha_is_copied_and_colours_below_it_are_converted(run: Run) -> None:
    """The profile speaks of colours, not of alpha."""
    source, icc = picture("RGBA"), SPACES["p3"]
    source.save("in/a.png", icc_profile=icc)
    _, made = run()
    assert (np.asarray(made["a"])[..., 3] == np.asarray(source)[..., 3]).all()
    assert (np.asarray(made["a"])[..., :3] == in_srgb(source.convert("RGB"), icc)).all()


def test_keep_writes_the_profile_and_drop_does_not(run: Run) -> None:
    """Both leave the pixels."""
    source = picture("RGB")
    source.save("in/a.png", icc_profile=SPACES["p3"])
    for policy, icc in (("keep", SPACES["p3"]), ("drop", None)):
        _, made = run(policy)
        assert made["a"].info.get("icc_profile") == icc
        assert (np.asarray(made["a"]) == np.asarray(source)).all()


def test_cmyk_is_converted_whatever_becomes_of_profiles(run: Run) -> None:
    """PNG holds no CMYK: with `keep` too the profile is used, and not written."""
    picture("CMYK").save("in/a.jpg", icc_profile=SPACES["cmyk"], quality=95)
    want = in_srgb(opened(Path("in/a.jpg")), SPACES["cmyk"])
    _, made = run("keep")
    assert np.abs(np.asarray(made["a"]).astype(int) - want).max() <= 1
    assert "icc_profile" not in made["a"].info


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_cmyk_of_a_tiff_is_converted_by_its_profile(run: Run, compression: str | None) -> None:
    """As that of a JPEG; a profile that is for another model is left out and the formula is used."""
    source = picture("CMYK")
    for name, space in (("a", "cmyk"), ("b", "p3")):
        source.save(f"in/{name}.tif", icc_profile=SPACES[space], compression=compression)
    report, made = run()
    assert counts(report) == {"done": 2}
    assert np.abs(np.asarray(made["a"]).astype(int) - in_srgb(source, SPACES["cmyk"])).max() <= 1
    assert np.abs(np.asarray(made["b"]).astype(int) - np.asarray(source.convert("RGB"))).max() <= 1


@pytest.mark.parametrize("execute", [execution.run, serial.run], ids=["workers", "serial"])
def test_a_bad_profile_fails_nothing_and_is_said(run: Run, execute: Callable[[Plan], Report]) -> None:
    """Rubbish, one for another model, and one whose tags are gone: done, pixels as they are, one remark each."""
    source, hollow = picture("RGB"), SPACES["p3"][:132]
    source.save("in/rubbish.png", icc_profile=b"x" * 400)
    source.save("in/foreign.png", icc_profile=SPACES["gray"])
    source.save("in/hollow.png", icc_profile=hollow)
    source.save("in/good.png")
    report, made = run(execute=execute)
    assert counts(report) == {"done": 4}
    assert all((np.asarray(image) == np.asarray(source)).all() for image in made.values())
    assert sorted((remark.first, remark.items, remark.text) for remark in report.remarks) == [
        ("in/foreign.png", 1, "its ICC profile is for gray pictures and was not used"),
        ("in/hollow.png", 1, "its ICC profile cannot be applied; its colours were taken as sRGB"),
        ("in/rubbish.png", 1, "its ICC profile is broken and was not used"),
    ]


def test_sixteen_bits_are_converted_with_sixteen(run: Run) -> None:
    """Gray of 16 bits: as LittleCMS has it with 8, within a level; and levels between those of 8 bits stay apart."""
    deep = np.linspace(0, 65535, 48 * 64).astype(np.uint16).reshape(48, 64)
    Image.fromarray(deep).save("in/a.png", icc_profile=SPACES["gray"])
    eight = Image.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))
    want = in_srgb(eight, SPACES["gray"])[..., 0]
    _, made = run()
    got = np.asarray(made["a"])
    assert "icc_profile" not in made["a"].info
    assert np.abs(got / 257 - want).max() <= 1.5
    assert len(np.unique(got)) > 1000


def test_a_profile_that_no_longer_fits_is_dropped_and_said(run: Run) -> None:
    """With `keep`, a gray picture made of a P3 one would be misread with the profile of P3."""
    picture("RGB").save("in/a.png", icc_profile=SPACES["p3"])
    report, made = run("keep", "[{name: g, stages: [grayscale]}]")
    assert "icc_profile" not in made["a"].info
    (remark,) = report.remarks
    assert remark.text == "its ICC profile was dropped: it is for rgb pictures, and the output is gray"


def test_a_profile_whose_primaries_make_no_white_is_not_used() -> None:
    """It would make noise of any picture; found in JPEG 2000 files."""
    from stages.media import icc

    good = icc.matrix_profile(icc.ADOBE_RGB, 2.2)
    assert icc.trimmed(good) == good
    at = good.index(b"rXYZ", 132)
    start = int.from_bytes(good[at + 4 : at + 8], "big") + 8
    bad = good[:start] + bytes(12) + good[start + 12 :]
    assert len(icc.trimmed(bad)) < 128
