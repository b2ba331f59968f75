"""Animations and pages from one format into another: frames, times, how often, transparency, as others see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import cli, counts, listed, plan_of, write_config
from PIL import Image, ImageDraw, ImageSequence

from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report

DURATIONS = [70, 120, 300, 50]
COLOURS = [(255, 0, 0), (0, 200, 0), (0, 0, 255), (250, 250, 0)]
SIZE = (48, 32)


def canvas(number: int) -> Image.Image:
    """A coloured disc that moves over a transparent ground."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((4 + 8 * number, 6, 16 + 8 * number, 24), fill=(*COLOURS[number], 255))
    return image


def animation(path: Path, **more: Any) -> None:
    """Four frames, by Pillow."""
    path.parent.mkdir(exist_ok=True)
    frames = [canvas(number) for number in range(len(COLOURS))]
    options: dict[str, Any] = {"loop": 3, "disposal": 2} if path.suffix == ".gif" else {"loop": 4}
    if path.suffix == ".webp":
        options["lossless"] = True
    if path.suffix == ".avif":
        options = {"quality": 100, "subsampling": "4:4:4"}
    if path.suffix == ".png":
        options |= {"disposal": 1, "default_image": False}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=DURATIONS, **(options | more))


def converted(folder: Path, ext: str, **writer: Any) -> Report:
    plan = plan_of(
        folder, {"use": "folder", "path": str(folder / "in"), "frames": "all"}, [["identity"]],
        {"use": "animation", "path": f"{folder}/out/{{stem}}.{ext}", "overwrite": "always", **writer},
    )  # fmt: skip
    return execution.run(plan)


def by_pillow(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[int], int | None]:
    with Image.open(path) as image:
        loop = image.info.get("loop")
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGBA")).astype(int))
            durations.append(round(frame.info.get("duration", 0)))
    return frames, durations, loop


def by_libvips(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[int], int]:
    import pyvips

    image = pyvips.Image.new_from_buffer(path.read_bytes(), "", n=-1)
    height = image.get("page-height")
    array = np.ndarray((image.height, image.width, image.bands), np.uint8, image.write_to_memory()).astype(int)
    return [array[at : at + height] for at in range(0, image.height, height)], image.get("delay"), image.get("loop")


def alike(frames: list[np.ndarray[Any, Any]], most: float) -> None:
    """Each frame has its own disc and nothing of the one before; colours within `most` levels on average."""
    assert len(frames) == len(COLOURS)
    for number, frame in enumerate(frames):
        wanted = np.asarray(canvas(number)).astype(int)
        assert ((frame[..., 3] > 127) == (wanted[..., 3] > 127)).mean() > 0.995
        seen = wanted[..., 3] > 127
        assert np.abs(frame[seen][:, :3] - wanted[seen][:, :3]).mean() <= most


@pytest.mark.parametrize("source", ["gif", "webp", "png", "avif"])
@pytest.mark.parametrize("target", ["gif", "webp"])
def test_an_animation_becomes_another(tmp_path: Path, source: str, target: str) -> None:
    """Seen by Pillow and by libvips: frames, transparency, times within 10 ms, how often it is shown."""
    animation(tmp_path / f"in/a.{source}")
    report = converted(tmp_path, target, **({"lossless": True} if target == "webp" else {}))
    assert counts(report) == {"done": 1}, report.failures
    path = tmp_path / f"out/a.{target}"
    plays = 0 if source == "avif" else 4
    for frames, durations, loop in (by_pillow(path), by_libvips(path)):
        alike(frames, 4.0 if source == "avif" else 1.0)
        assert [abs(got - wanted) <= 10 for got, wanted in zip(durations, DURATIONS, strict=True)] == [True] * 4
        assert loop in ({0} if not plays else {plays, plays - 1})  # GIF counts repeats, and Pillow hands that on
    assert by_libvips(path)[2] == plays


def test_frames_that_stay_the_same_are_kept(tmp_path: Path) -> None:
    """A pause made of equal frames: as many as there were."""
    (tmp_path / "in").mkdir()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "red", "blue")]
    frames[0].save(tmp_path / "in/a.png", save_all=True, append_images=frames[1:], duration=[100, 110, 120])
    assert counts(converted(tmp_path, "gif")) == {"done": 1}
    with Image.open(tmp_path / "in/a.png") as image:
        wanted = getattr(image, "n_frames", 1)
    assert len(by_libvips(tmp_path / "out/a.gif")[0]) == wanted


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    """All of them, in one file of another packing, exact; or each as a file of its own, of any size and depth."""
    (tmp_path / "in").mkdir()
    pages = [Image.fromarray(np.full((20, 30), 1000 * number, np.uint16)) for number in range(3)]
    pages[0].save(tmp_path / "in/scan.tif", save_all=True, append_images=pages[1:])
    assert counts(converted(tmp_path, "tif")) == {"done": 1}
    with Image.open(tmp_path / "out/scan.tif") as image:
        got = [int(np.asarray(page)[0, 0]) for page in ImageSequence.Iterator(image)]
    assert got == [0, 1000, 2000]
    mixed = [Image.new("RGB", (30, 20), "red"), Image.new("L", (50, 40), 9), Image.new("1", (8, 90))]
    mixed[0].save(tmp_path / "in/scan.tif", save_all=True, append_images=mixed[1:])
    for run in (execution.run, serial.run):
        plan = plan_of(
            tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "frames": "all"}, [["identity"]],
            {"use": "files", "path": f"{tmp_path}/{run.__module__}/{{stem}}-{{index}}.png"},
        )  # fmt: skip
        assert counts(run(plan)) == {"done": 1}
        sizes = []
        for name in listed(tmp_path / run.__module__):
            with Image.open(tmp_path / run.__module__ / name) as image:
                sizes.append(image.size)
        assert sizes == [(30, 20), (50, 40), (8, 90)]


@pytest.mark.parametrize(("which", "number"), [("first", 0), ("middle", 2), (3, 3), (0, 0)])
@pytest.mark.parametrize("ext", ["gif", "webp", "png", "avif"])
def test_one_picture_of_several(tmp_path: Path, ext: str, which: Any, number: int) -> None:
    """The composed canvas, not the bare difference to the frame before."""
    animation(tmp_path / f"in/a.{ext}")
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "frames": which}, [["identity"]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"},
    )  # fmt: skip
    assert counts(serial.run(plan)) == {"done": 1}
    got = np.asarray(Image.open(tmp_path / "out/a.png").convert("RGBA")).astype(int)
    wanted = np.asarray(canvas(number)).astype(int)
    seen = wanted[..., 3] > 127
    assert np.abs(got[seen] - wanted[seen]).mean() < 4
    assert (got[~seen][:, 3] < 128).mean() > 0.99


def test_a_number_that_is_not_there(tmp_path: Path) -> None:
    animation(tmp_path / "in/a.gif")
    plan = plan_of(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "frames": 9}, [["identity"]],
        {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"},
    )  # fmt: skip
    [failure] = serial.run(plan).failures
    assert failure.reason == "has no picture 9; it holds 4, numbered from 0"


def test_single_pictures_and_a_writer_of_whole_items(tmp_path: Path) -> None:
    """Said before anything starts, with the remedy."""
    animation(tmp_path / "in/a.gif")
    path = write_config(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in")}, [["identity"]],
        {"use": "animation", "path": f"{tmp_path}/out/{{stem}}.gif"},
    )  # fmt: skip
    done = cli("run", str(path))
    assert done.returncode == 2
    assert "`frames: all` reads animations whole" in done.stderr


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("out/{stem}.mp4", "ends in .mp4"), ("out/{stem}", "names no format"),
        ("out/{stem}-{index}.gif", "depends on a single frame"),
    ],
)  # fmt: skip
def test_paths_that_name_no_animation(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "in").mkdir()
    config = write_config(
        tmp_path, {"use": "folder", "path": str(tmp_path / "in"), "frames": "all"}, [["identity"]],
        {"use": "animation", "path": path},
    )  # fmt: skip
    done = cli("check", str(config))
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_an_animation_of_more_than_its_memory_fails_alone(tmp_path: Path) -> None:
    """A small one beside it is done."""
    (tmp_path / "in").mkdir()
    big = [Image.new("RGB", (600, 500), (number, 0, 0)) for number in range(4)]
    big[0].save(tmp_path / "in/big.png", save_all=True, append_images=big[1:])
    animation(tmp_path / "in/small.png")
    report = converted(tmp_path, "gif", memory=2)
    assert counts(report) == {"done": 1, "failed": 1}
    assert "`memory` of this writer is 2 MiB" in report.failures[0].reason
    assert listed(tmp_path / "out") == ["small.gif"]
