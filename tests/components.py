"""Every component of stages/ with parameters to try it by, and the pairs (component, Spec) of the contract tests."""

from __future__ import annotations

import functools
import importlib
import itertools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import ROOT
from pictures import frame_of, waves

from pipeline import Codec, Colour, Reader, Reducer, Spec, SpecError, Transform
from pipeline.contracts.stage import Stage

FILES = sorted(
    path for path in (ROOT / "stages").glob("*/*.py") if path.name != "__init__.py" and path.parent.name != "media"
)
PHOTOS, BROKEN, CLIPS = ROOT / "samples/photos", ROOT / "samples/broken", ROOT / "samples/clips"
# Parameters for those that have required ones or whose defaults would test little.
EXAMPLES: dict[str, dict[str, Any]] = {
    "Folder": {"path": str(PHOTOS)},
    "List": {"path": "", "base": str(PHOTOS)},
    "Sequence": {"path": str(PHOTOS), "on_corrupt": "drop"},
    "Video": {"path": str(CLIPS)},
    "VideoFile": {"path": "out/{dir}/{stem}.mkv", "codec": "ffv1", "sound": "drop", "subtitles": "drop"},
    "Synthetic": {"height": 9, "width": 13, "frames": 3},
    "Crop": {"width": 5, "height": "50%", "x": 1},
    "Blur": {"sigma": 1.5},
    "FilterSize": {"min_width": 4},
    "FilterSharpness": {"min": 0.01},
    "Adjust": {"brightness": 1.2, "saturation": 0.5, "gamma": 1.1},
    "Convert": {"model": "rgba", "dtype": "uint16"},
    "Overlay": {"image": str(ROOT / "samples/mark.png"), "scale": "40%", "opacity": 0.5},
    "Tile": {"width": 11, "height": 7, "overlap": 2},
    "Pad": {"width": 29, "height": 20, "background": Colour(0x33, 0x66, 0x99, 0x80)},
    "Resize": {"width": 7, "height": 6, "fit": "contain"},
    "Files": {"path": "out/{dir}/{stem}.jpg"},
    "ArchiveFiles": {"path": "out/s-{shard}.tar"},
    "Animation": {"path": "out/{dir}/{stem}.gif"},
}
# More parameters for transforms whose example refuses Specs that others of their parameters take.
MORE: dict[str, list[dict[str, Any]]] = {"Resize": [{"width": 7, "height": 6}]}

SPECS = [  # every model and dtype, upright and turned
    Spec.of(model, 16, 24, dtype=dtype, orientation=turn)
    for model, dtype, turn in itertools.product(
        ("gray", "gray_alpha", "rgb", "rgba"), ("uint8", "uint16", "float32"), (1, 3, 6)
    )
]
YUV = [  # as readers of video give them; odd sides too
    Spec.of(model, height, width, dtype=dtype, orientation=turn, matrix="bt709", range="limited")
    for model, dtype, turn, (height, width) in itertools.product(
        ("yuv420", "yuv422", "yuv444"), ("uint8", "uint16"), (1, 6), ((16, 24), (15, 23))
    )
]


@functools.cache
def class_of(path: Path) -> type[Stage]:
    """The one component of a file."""
    module = importlib.import_module(f"stages.{path.parent.name}.{path.stem}")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Stage) and value.__module__ == module.__name__
    )
    return found


def of_kind(kind: type[Any]) -> list[type[Any]]:
    """Every component of a kind."""
    return [found for found in map(class_of, FILES) if issubclass(found, kind)]


def make(cls: type[Any], tmp_path: Path | None = None) -> Any:
    """An instance with example parameters."""
    params = dict(EXAMPLES.get(cls.__name__, cls.example if issubclass(cls, Reducer) else {}))
    if cls.__name__ == "List":
        assert tmp_path is not None
        (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in sorted(PHOTOS.rglob("*.*g"))))
        params["path"] = str(tmp_path / "list.txt")
    if cls.__name__ == "Archive":
        assert tmp_path is not None
        params["path"] = str(tmp_path / "photos.zip")
        if not (tmp_path / "photos.zip").exists():
            with zipfile.ZipFile(params["path"], "w") as archive:
                for path in sorted(PHOTOS.rglob("*.*g")):
                    archive.write(path, path.relative_to(PHOTOS))
    return cls(**params)


@dataclass(frozen=True)
class Pair:
    """A component with parameters, and a Spec to try it on."""

    cls: type[Any]
    spec: Spec
    params: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.cls.__name__}{'2' if self.params else ''}-{self.spec}"

    def stage(self) -> Any:
        """A fresh instance."""
        return self.cls(**dict(self.params)) if self.params else make(self.cls)


def takes(pair: Pair) -> bool:
    """Whether a transform takes frames of a Spec: planes of YUV where it says so, the rest by its `output_spec`."""
    stage: Transform = pair.stage()
    if pair.spec.is_yuv and not stage.planes:
        return False
    try:
        stage.output_spec(pair.spec)
    except SpecError:
        return False
    return True


def encodes(pair: Pair) -> bool:
    """Whether an encoder takes pictures of a Spec."""
    try:
        pair.stage().encode(frame_of(waves(pair.spec), pair.spec))
    except SpecError:
        return False
    return True


def tried(cls: type[Any]) -> list[Pair]:
    """Each Spec with each set of parameters of a transform."""
    sets = [(), *(tuple(params.items()) for params in MORE.get(cls.__name__, []))]
    return [Pair(cls, spec, params) for spec in (*SPECS, *YUV) for params in sets]


TRANSFORMED = [pair for cls in of_kind(Transform) for pair in tried(cls)]
TAKEN = [pair for pair in TRANSFORMED if takes(pair)]
REFUSED = [pair for pair in TRANSFORMED if not takes(pair)]
CODED = [
    Pair(cls, Spec.of(model, 37, 53, dtype=dtype))
    for cls in of_kind(Codec)
    for model, dtype in itertools.product(cls.models, ("uint8", "uint16"))
]
ENCODED = [pair for pair in CODED if encodes(pair)]
NOT_ENCODED = [pair for pair in CODED if pair not in ENCODED]
READERS = of_kind(Reader)
