"""Pictures that other programs test themselves with: what they open and we refuse, and where our pixels differ.

    python -m bench.pictures FOLDER ...

Every file of the folders goes through `pipeline` (orientation, sRGB, PNG). Pillow and libvips open the same files, cut
ones refused. Listed is each file that one of them reads and we do not, with our reason; each that we read and both
refuse; and each whose picture is off from Pillow's by more than 3 levels on average, over white. The test suites in
Debian's source packages (`apt-get source pillow vips libjpeg-turbo ...`) are a good start.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps

CONFIG = """version: 1
reader: {{use: folder, path: {source}, include: ["**"]}}
transforms: [{{stages: [orient]}}]
writer: {{use: files, path: "{out}/{{dir}}/{{name}}.png", overwrite: always}}
on_error: {{max_failures: none}}
limits: {{frames: 100000}}
"""
LEVELS = 3.0
SKIPPED = {".c", ".h", ".py", ".txt", ".md", ".go", ".pl", ".pm", ".html", ".xml", ".in", ".am", ".sh", ".xmp", ".exv"}


def ours(folder: Path, out: Path) -> dict[str, str]:
    """For each file below the folder "" where it was done, else the reason."""
    config, log = out / "c.yaml", out / "log.jsonl"
    config.write_text(CONFIG.format(source=folder, out=out / "png"))
    subprocess.run(
        [Path(sys.executable).with_name("pipeline"), "run", config, "--fresh", "--log", log, "-q"],
        check=False, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    told = {}
    for line in log.read_text().splitlines():
        row = json.loads(line)
        if "item" not in row:
            continue
        told[row["item"]] = "" if row["outcome"] == "done" else row.get("reason", row["outcome"])
    return told


def by_pillow(path: Path) -> Image.Image | None:
    """The first picture, upright, in sRGB over white; None where Pillow refuses it."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.load()
            upright = ImageOps.exif_transpose(image)
            profile = image.info.get("icc_profile")
            if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
                return Image.fromarray(np.rint(np.asarray(upright, np.float64) / 257).astype(np.uint8)).convert("RGB")
            if profile and upright.mode in ("RGB", "CMYK", "L"):
                upright = ImageCms.profileToProfile(
                    upright, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
                    outputMode="RGB",
                )  # fmt: skip
            return over_white(upright)
    except Exception:  # whatever a decoder makes of a file
        return None


def over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def by_vips(path: Path) -> bool:
    import pyvips

    try:
        pyvips.Image.new_from_file(str(path), fail_on="truncated", access="sequential").avg()
    except pyvips.Error:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        judge(folder)


def judge(folder: Path) -> None:
    """One line for each file that is worth a look, and the counts."""
    counts = dict.fromkeys(("files", "all", "ours alone", "theirs", "none", "off"), 0)
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        told = ours(folder, out)
        for name in sorted(told):
            path, reason = Path(name), told[name]
            if path.suffix.lower() in SKIPPED or not path.is_file():
                continue
            theirs, vips = by_pillow(path), by_vips(path)
            counts["files"] += 1
            peers = " and ".join(["Pillow"] * (theirs is not None) + ["libvips"] * vips)
            if reason and peers:
                counts["theirs"] += 1
                print(f"refused  {path.relative_to(folder)}: {reason[:150]}  ({peers} read it)")
            elif not reason and not peers:
                counts["ours alone"] += 1
                print(f"alone    {path.relative_to(folder)}")
            elif not reason:
                counts["all"] += 1
                made = out / "png" / f"{path.relative_to(folder)}.png"
                if theirs is not None and (far := distance(made, theirs)) > LEVELS:
                    counts["off"] += 1
                    print(f"off      {path.relative_to(folder)}: {far:.1f} levels from Pillow")
            else:
                counts["none"] += 1
    print(folder.name, ", ".join(f"{name} {count}" for name, count in counts.items()))


def distance(made: Path, theirs: Image.Image) -> float:
    """Mean absolute difference in levels; 255 where the sizes differ."""
    with Image.open(made) as image:
        if image.mode.startswith("I"):
            shown = Image.fromarray(np.rint(np.asarray(image, np.float64) / 257).astype(np.uint8)).convert("RGB")
        else:
            shown = over_white(image)
    if shown.size != theirs.size:
        return 255.0
    return float(np.abs(np.asarray(shown, np.int16) - np.asarray(theirs, np.int16)).mean())


if __name__ == "__main__":
    main()
