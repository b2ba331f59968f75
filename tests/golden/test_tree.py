"""A tree of 2,000 files with all that a stranger's folder holds: each accounted for, the rest right to the pixel."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import profiles
import pytest
from PIL import Image, ImageCms, ImageOps

from pipeline import config
from pipeline.plan import planning
from pipeline.supervisor import execution
from pipeline.supervisor.report import Report

TOTAL, COLLISIONS, BROKEN, ANIMATED, TURNED, COLOURED = 2000, 100, 50, 20, 30, 30
SPACES = (profiles.rgb(profiles.P3, 2.2), profiles.rgb(profiles.ADOBE, 563 / 256))
CONFIG = """
version: 1
reader: {use: folder, path: in}
transforms: [{name: upright, stages: [orient]}]
writer: {use: files, path: "out/{dir}/{stem}.png", png: {compress_level: 1}}
queues: {memory: 32MiB}
on_error: {max_failures: none}
"""


def picture(rng: np.random.Generator) -> Image.Image:
    width, height = (int(side) for side in rng.integers(8, 40, 2))
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def plain(rng: np.random.Generator, path: Path) -> None:
    """One of the usual formats; the extension is sometimes in capitals, and sometimes wrong."""
    kind, ending = [("JPEG", "jpg"), ("JPEG", "JPG"), ("PNG", "png"), ("PNG", "jpg"), ("WEBP", "webp"), ("BMP", "bmp")][
        int(rng.integers(6))
    ]
    picture(rng).save(path.with_suffix(f".{ending}"), kind, **({"lossless": True} if kind == "WEBP" else {}))


def broken(rng: np.random.Generator, path: Path, number: int) -> None:
    """Empty, cut short, text, or a format that is not read."""
    whole = io.BytesIO()
    picture(rng).save(whole, "JPEG")
    data = [b"", whole.getvalue()[: len(whole.getvalue()) // 2], b"no picture", b"\x76\x2f\x31\x01" + bytes(40)]
    path.with_suffix(".jpg").write_bytes(data[number % 4])


def animated(rng: np.random.Generator, path: Path, number: int) -> None:
    frames = [picture(rng).resize((12, 9)).quantize(32) for _ in range(3)]
    frames = [frame.convert("RGB") for frame in frames]
    kind = ("webp", "gif")[number % 2]
    options = {"lossless": True} if kind == "webp" else {}
    frames[0].save(path.with_suffix(f".{kind}"), save_all=True, append_images=frames[1:], duration=50, **options)


def turned(rng: np.random.Generator, path: Path, number: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = number % 8 + 1
    picture(rng).save(path.with_suffix(".jpg"), exif=exif)


def lay_out(folder: Path) -> Counter[str]:
    """The tree; how many of each kind."""
    rng = np.random.default_rng(11)
    counts = {"collides": COLLISIONS, "broken": BROKEN, "animated": ANIMATED, "turned": TURNED, "coloured": COLOURED}
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    kinds += ["plain"] * (TOTAL - COLLISIONS - len(kinds))  # each collision is two files
    rng.shuffle(kinds)
    made: Counter[str] = Counter()
    for number, kind in enumerate(kinds):
        path = folder / f"{number % 7}" / f"d{number % 3}" / f"{number:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "collides":
            picture(rng).save(path.with_suffix(".jpg"))
            picture(rng).save(path.with_suffix(".png"))
        elif kind == "coloured":
            picture(rng).save(path.with_suffix(".png"), icc_profile=SPACES[made[kind] % 2])
        elif kind == "plain":
            plain(rng, path)
        else:
            {"broken": broken, "animated": animated, "turned": turned}[kind](rng, path, made[kind])
        made[kind] += 1
    return made


def reference(path: Path) -> np.ndarray:
    """Upright and in sRGB, by Pillow alone."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        icc = file.info.get("icc_profile")
        image = image.convert("RGB")
    if icc:
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), srgb)
    return np.asarray(image)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    home = tmp_path_factory.mktemp("tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        made = lay_out(Path("in"))
        assert sum(made.values()) + made["collides"] == TOTAL
        Path("c.yaml").write_text(CONFIG)
        return home, execution.run(planning.build(config.load("c.yaml")))


def test_every_file_is_accounted_for(ran: tuple[Path, Report]) -> None:
    """Done, or failed with the right reason; animations are done, and said."""
    home, report = ran
    ledger = report.ledger
    assert (ledger.found, ledger.done, ledger.failed) == (TOTAL, TOTAL - COLLISIONS - BROKEN, COLLISIONS + BROKEN)
    assert ledger.balances
    assert Counter(failure.kind for failure in report.failures) == {"collision": COLLISIONS, "input": 26, "format": 24}
    for failure in report.failures:
        size = (home / failure.item).stat().st_size
        head = (home / failure.item).read_bytes()[:12]
        expected = (
            "collides with" if failure.kind == "collision" else "is empty" if not size
            else "is an OpenEXR picture" if head[:2] == b"\x76\x2f" else "truncated JPEG" if head[:2] == b"\xff\xd8"
            else "is not a picture of a known format"
        )  # fmt: skip
        assert expected in failure.reason
    assert [(remark.text, remark.items) for remark in report.remarks] == [
        ("holds several frames or pages: only the first was read", ANIMATED)
    ]


def test_the_rest_is_right_to_the_pixel(ran: tuple[Path, Report]) -> None:
    """Against Pillow's own decoders, orientation and LittleCMS; the colliding pairs show their first file."""
    home, report = ran
    failed = {failure.item for failure in report.failures}
    sources = [path for path in sorted((home / "in").rglob("*.*")) if str(path.relative_to(home)) not in failed]
    assert len(sources) == report.ledger.done == len(list((home / "out").rglob("*.*")))
    for source in sources:
        target = (home / "out" / source.relative_to(home / "in")).with_suffix(".png")
        with Image.open(target) as image:
            got = np.asarray(image.convert("RGB"))
        assert np.array_equal(got, reference(source)), source
