"""Makes the further cases: files, references, `cases.json`. Run by hand, with the programs of `readers` installed.

    apt-get install imagemagick libjpeg-turbo-progs libavif-bin libheif-examples libjxl-tools default-jre
    python tests/golden/further/make.py

A case is written where two programs, neither of them what `pipeline` decodes with where there is a choice, agree on its
pixels, and on what was written where that is known. Where they do not, this program says so and writes nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bitmaps
import jpegs
import modern
import numpy as np
import pngs
import tiffs
from case import Array, Case
from PIL import Image, ImageCms
from readers import in_rgba

HERE = Path(__file__).parent


def over_white(rgba: Array) -> Array:
    shown = Image.fromarray(rgba)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)).astype(int)


def apart(one: Array, two: Array) -> float:
    """Levels on average; 255 where the sizes differ."""
    if one.shape != two.shape:
        return 255.0
    return float(np.abs(over_white(one) - over_white(two)).mean())


def judged(case: Case) -> tuple[Array, str]:
    """The reference, and what speaks against it."""
    shown = []
    for reader in case.readers:
        try:
            shown.append(np.ascontiguousarray(reader(case.data, case.name)))
        except Exception as error:  # whatever a program makes of a file
            return np.zeros((1, 1, 4), np.uint8), f"{reader.__name__}: {type(error).__name__} {error}"[:200]
    if (far := apart(*shown)) > case.within:
        return shown[0], f"{' and '.join(reader.__name__ for reader in case.readers)} differ by {far:.2f}"
    if case.truth is not None and (far := apart(shown[0], in_rgba(case.truth))) > case.within:
        return shown[0], f"off from what was written by {far:.2f}"
    return shown[0], ""


def main() -> int:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sys.path.insert(0, str(HERE.parent.parent))
    import profiles

    p3, adobe = profiles.rgb(profiles.P3, 2.2), profiles.rgb(profiles.ADOBE, 2.2)
    told, wrong = {}, 0
    every = [*jpegs.cases(srgb, adobe), *pngs.cases(srgb, p3), *bitmaps.cases(), *tiffs.cases(), *modern.cases(p3)]
    for case in every:
        row: dict[str, object] = {"kind": case.kind, "why": case.why, "expect": "refused"}
        if case.readers:
            reference, problem = judged(case)
            if problem:
                wrong += 1
                print(f"{case.name}: {problem}", file=sys.stderr)
                continue
            Image.fromarray(reference).save(HERE / f"{case.name}.ref.png", optimize=True)
            row |= {"expect": "pixels", "reference": f"{case.name}.ref.png", "mean_abs_error": max(case.within, 1.0)}
            row["readers"] = [reader.__name__ for reader in case.readers]
        (HERE / case.name).write_bytes(case.data)
        told[case.name] = row
    (HERE / "cases.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    print(f"{len(told)} cases, {wrong} left out")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
