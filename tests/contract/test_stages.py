"""What every component must keep to, asked of each file in stages/: a new one is tested unasked."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import (
    NO_METADATA,
    Codec,
    Colour,
    Frame,
    Item,
    ItemError,
    Limits,
    Metadata,
    Part,
    Reader,
    Size,
    Spec,
    SpecError,
    Transform,
    Writer,
)
from pipeline.contracts.stage import Stage
from pipeline.plan.chain import Chain, Link, StageError
from pipeline.registry import parameters

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for path in (ROOT / "stages").glob("*/*.py") if path.name != "__init__.py" and path.parent.name != "media"
)
ALLOWED = {"pipeline", "numpy", "__future__"}  # and the standard library, and what components share
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
}
WITH_PALETTE = ("Gif",)  # 256 colours for three waves of different directions
WITHOUT_PROFILE = ("Bmp", "Gif", "Pnm")  # formats that have no place for one
CANARY = 0xAA


def class_of(path: Path) -> type[Stage]:
    """The one component of a file."""
    module = importlib.import_module(f"stages.{path.parent.name}.{path.stem}")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Stage) and value.__module__ == module.__name__
    )
    return found


def of_kind(kind: type[Stage]) -> list[type[Stage]]:
    return [found for found in map(class_of, FILES) if issubclass(found, kind)]


def make(cls: type[Any], tmp_path: Path | None = None) -> Any:
    """An instance with example parameters."""
    params = dict(EXAMPLES.get(cls.__name__, {}))
    if cls.__name__ == "List":
        assert tmp_path is not None
        (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in sorted(PHOTOS.rglob("*.*g"))))
        params["path"] = str(tmp_path / "list.txt")
    return cls(**params)


def picture(spec: Spec, seed: int = 0) -> np.ndarray:
    """Smooth noise of a Spec, read-only."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : spec.height, 0 : spec.width]
    waves = [np.sin(y / rng.uniform(5, 9) + x / rng.uniform(5, 9) + rng.uniform(0, 6)) for _ in range(spec.channels)]
    share = 0.5 + 0.45 * np.dstack(waves)
    pixels = share if spec.dtype == "float32" else np.rint(share * np.iinfo(spec.dtype).max)
    pixels = np.ascontiguousarray(pixels.astype(spec.dtype))
    if spec.is_yuv:  # luma, and the first samples of the other waves as chroma
        chroma = spec.chroma.height * spec.chroma.width
        pixels = np.concatenate([pixels[..., 0].ravel(), *(pixels[..., n].ravel()[:chroma] for n in (1, 2))])
    pixels.flags.writeable = False
    return pixels


def guarded(spec: Spec, canary: int = CANARY) -> tuple[np.ndarray, np.ndarray]:
    """An array of a Spec within a larger buffer of canaries, and that buffer."""
    buffer = np.full(spec.nbytes + 256, canary, np.uint8)
    return buffer[128 : 128 + spec.nbytes].view(spec.dtype).reshape(spec.shape), buffer


def intact(buffer: np.ndarray, canary: int = CANARY) -> bool:
    return bool((buffer[:128] == canary).all() and (buffer[-128:] == canary).all())


def frame_of(spec: Spec, pixels: np.ndarray, metadata: Metadata = NO_METADATA) -> Frame:
    return Frame(Item(0, "a/b.jpg", "a", "b.jpg"), 0, spec, pixels, metadata)


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestEveryComponent:
    def test_is_a_frozen_dataclass_with_documented_fields(self, path: Path) -> None:
        """The class is frozen, has a docstring, and each field says what it is for."""
        cls = class_of(path)
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert cls.__doc__
        assert not cls.__doc__.startswith(f"{cls.__name__}(")
        for parameter in dataclasses.fields(cls):
            assert parameter.metadata.get("doc"), f"{cls.__name__}.{parameter.name} has no doc"
            assert set(parameter.metadata) <= {"doc", "unit", "ge", "gt", "le", "lt"}
        names = {parameter.name for parameter in dataclasses.fields(cls)}
        required = {parameter.name for parameter in parameters(cls) if parameter.required}
        assert required <= set(cls.example) <= names, "the example holds every parameter that must be given"

    def test_no_parameter_hides_a_method_of_the_contract(self, path: Path) -> None:
        """A field named like a method of the base class would make that method uncallable."""
        cls = class_of(path)
        for parameter in dataclasses.fields(cls):
            assert not callable(getattr(cls.__mro__[1], parameter.name, None)), parameter.name

    def test_imports_no_backend_at_its_top(self, path: Path) -> None:
        """Listing and checking stay fast and work without libGL: only pipeline, numpy and the standard library."""
        import sys

        for node in ast.parse(path.read_text()).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, "relative imports lead to other stages"
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                if name.startswith("stages.media"):
                    continue
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"
                assert top != "pipeline" or name == "pipeline", f"{path.name} reaches into {name}"

    def test_never_imports_another_stage(self, path: Path) -> None:
        """No import, at any depth, of `stages` but what stands in `stages.media`, which holds none."""
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("stages") for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("stages") or (node.module or "").startswith("stages.media")

    def test_opens_and_closes(self, path: Path, tmp_path: Path) -> None:
        """`open` and `close` need nothing else, and may be called on a fresh instance."""
        stage = make(class_of(path), tmp_path)
        stage.open()
        stage.close()


@pytest.mark.parametrize("cls", of_kind(Transform), ids=lambda cls: cls.__name__)
class TestEveryTransform:
    @pytest.mark.parametrize("spec", [*SPECS, *YUV], ids=str)
    def test_fills_its_output_and_nothing_else(self, cls: type[Transform], spec: Spec) -> None:
        """Every byte of `out` is written, none beside it; the input is read-only; the result is the same each time."""
        stage: Transform = make(cls)
        if spec.is_yuv and not stage.planes:
            return
        try:
            target = stage.output_spec(spec)
        except SpecError as error:
            assert error.what  # not taken, and it says what is
            return
        assert stage.output_spec(spec) == target
        pixels = picture(spec)
        before = pixels.copy()
        if stage.inspect:
            assert target == spec
            stage.process(frame_of(spec, pixels), np.empty(0))
        elif stage.expanding:
            parts = list(stage.expand(frame_of(spec, pixels)))
            assert 1 <= len(parts) <= stage.expands(spec)
            for part in parts:
                out, buffer = guarded(part.spec)
                part.fill(out)
                assert intact(buffer)
        elif not (stage.identity_when_equal and target == spec):
            results = []
            for canary in (CANARY, 0x55):
                out, buffer = guarded(target, canary)
                make(cls).process(frame_of(spec, pixels), out)
                assert intact(buffer, canary)
                results.append(out)
            assert results[0].tobytes() == results[1].tobytes()
        assert (pixels == before).all()

    @pytest.mark.parametrize("spec", YUV, ids=str)
    def test_takes_planes_where_it_says_so(self, cls: type[Transform], spec: Spec) -> None:
        """The plan has YUV turned into rgb only before stages without `planes`; the engine refuses it to these."""
        stage = cls(width=7, height=6) if cls.__name__ == "Resize" else make(cls)
        chain = Chain([[], [Link("it", stage)], []])
        if not stage.planes:
            with pytest.raises(StageError, match="planes"):
                chain.route(spec)
        elif spec.orientation == 1:
            assert chain.route(spec).hops[-1].channels == 3

    @pytest.mark.parametrize("spec", SPECS, ids=str)
    def test_never_requires_more_than_there_is(self, cls: type[Transform], spec: Spec) -> None:
        """`required_input` is at least a pixel and at most the input."""
        stage: Transform = make(cls)
        try:
            target = stage.output_spec(spec)
        except SpecError as error:
            assert error.what  # not taken, and it says what is
            return
        need = stage.required_input(spec, target.size)
        assert isinstance(need, Size)
        assert 1 <= need.height <= spec.height
        assert 1 <= need.width <= spec.width


def encodings(cls: type[Codec]) -> Iterator[Spec]:
    for model, dtype in itertools.product(cls.models, ("uint8", "uint16")):
        yield Spec.of(model, 37, 53, dtype=dtype)


def taken(cls: type[Codec], spec: Spec) -> bool:
    """Whether the encoder takes pictures of this Spec; one that does not says what to do."""
    try:
        make(cls).encode(frame_of(spec, picture(spec)))
    except SpecError as error:
        assert error.remedy
        return False
    return True


CODED = [(cls, spec) for cls in of_kind(Codec) for spec in encodings(cls) if taken(cls, spec)]  # type: ignore[arg-type]


def encoded(cls: type[Codec], spec: Spec, metadata: Metadata = NO_METADATA) -> tuple[Codec, memoryview, np.ndarray]:
    """A codec, an encoded picture and its pixels."""
    codec, pixels = make(cls), picture(spec)
    data = codec.encode(frame_of(spec, pixels, metadata))
    return codec, memoryview(bytes(data)), pixels


def over_white(pixels: np.ndarray, spec: Spec) -> np.ndarray:
    """(H, W, 3) as seen on a white ground, by which colour models can be compared."""
    white = float(np.iinfo(spec.dtype).max)
    share = pixels[..., -1:] / white if spec.has_alpha else 1.0
    colours = pixels[..., :-1] if spec.has_alpha else pixels
    return np.broadcast_to(colours * share + white * (1 - share), (*spec.size, 3))


def read(codec: Codec, data: memoryview, target: Spec, out: np.ndarray) -> None:
    """Header, limit and decoding, as the engine goes about it."""
    spec = codec.header(data).spec
    if spec.height * spec.width > Limits().pixels:
        raise ItemError("beyond the limit")
    codec.decode(data, target, out)


@pytest.mark.parametrize(("cls", "spec"), CODED, ids=str)
class TestEveryCodec:
    def test_gives_back_what_it_encoded(self, cls: type[Codec], spec: Spec) -> None:
        """`header` foretells the decoded array; pixels are equal, or within 30 dB for a lossy format (palettes 25)."""
        codec, data, pixels = encoded(cls, spec)
        assert codec.matches(bytes(data[:32]))
        header = codec.header(data)
        assert header.spec.size == spec.size
        out, buffer = guarded(header.spec)
        codec.decode(data, header.spec, out)
        assert intact(buffer)
        got, want = out.astype(float), pixels.astype(float)
        if header.spec.model != spec.model:  # flattened, or gray written as rgb
            got, want = over_white(got, header.spec), over_white(want, spec)
        error = np.mean((got - want) ** 2)
        peak = np.iinfo(spec.dtype).max
        assert error == 0 or 10 * math.log10(peak**2 / error) >= (25 if cls.__name__ in WITH_PALETTE else 30)

    def test_writes_every_byte_the_same_each_time(self, cls: type[Codec], spec: Spec) -> None:
        """Decoding does not depend on what lay in the memory before; encoding gives the same bytes."""
        codec, data, pixels = encoded(cls, spec)
        assert bytes(codec.encode(frame_of(spec, pixels))) == data
        target, results = codec.header(data).spec, []
        for canary in (CANARY, 0x55):
            out, _ = guarded(target, canary)
            codec.decode(data.toreadonly(), target, out)
            results.append(out.tobytes())
        assert results[0] == results[1]

    def test_every_scale_is_what_it_announced(self, cls: type[Codec], spec: Spec) -> None:
        """`shrunk` is at least what is needed, remembers the full size, and `decode` fills exactly that."""
        codec, data, _ = encoded(cls, spec)
        full = codec.header(data).spec
        for share in (0.01, 0.1, 0.13, 0.25, 0.3, 0.5, 0.51, 1):
            need = Size(math.ceil(full.height * share), math.ceil(full.width * share))
            less = codec.shrunk(full, need)
            assert less.full_size == full.size
            assert need.height <= less.height <= full.height
            assert need.width <= less.width <= full.width
            out, buffer = guarded(less)
            codec.decode(data, less, out)
            assert intact(buffer)

    def test_says_so_wherever_a_file_is_cut(self, cls: type[Codec], spec: Spec) -> None:
        """Twenty cut points of a good file each raise ItemError in one line, from the header or from decoding."""
        codec, data, _ = encoded(cls, spec)
        target = codec.header(data).spec
        for length in np.linspace(1, len(data) - 1, 20).astype(int):
            out, buffer = guarded(target)
            with pytest.raises(ItemError, match=r"\A[^\n]+\Z"):
                read(codec, data[:length], target, out)
            assert intact(buffer)

    def test_meets_damage_with_item_errors_only(self, cls: type[Codec], spec: Spec) -> None:
        """Changed bytes anywhere decode or raise ItemError, never anything else, and never write beside `out`."""
        codec, data, _ = encoded(cls, spec)
        rng = np.random.default_rng(0)
        for _ in range(60):
            damaged = bytearray(data)
            for place in rng.integers(0, min(len(data), rng.choice([40, 200, 1 << 20])), 3):
                damaged[place] = rng.integers(0, 256)
            try:
                target = codec.header(memoryview(damaged)).spec
            except ItemError:
                continue
            out, buffer = guarded(target if target.nbytes < 1 << 22 else spec)
            with contextlib.suppress(ItemError):
                codec.decode(memoryview(damaged), target, out)
            assert intact(buffer)

    def test_keeps_an_icc_profile(self, cls: type[Codec], spec: Spec) -> None:
        """A profile of any length comes back byte for byte, or is left out where the format has no place for it."""
        for length in (132, 70_000, 200_000):
            profile = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
            codec, data, _ = encoded(cls, spec, Metadata(icc=profile))
            header = codec.header(data)
            assert header.metadata.icc == (b"" if cls.__name__ in WITHOUT_PROFILE else profile)
            codec.decode(data, header.spec, np.empty(header.spec.shape, header.spec.dtype))


@pytest.mark.parametrize("cls", of_kind(Codec), ids=lambda cls: cls.__name__)
def test_no_two_codecs_claim_a_file(cls: type[Codec]) -> None:
    """Magic bytes of a format are of one codec only, and random bytes of none."""
    codec = make(cls)
    assert not codec.matches(b"")
    assert not codec.matches(bytes(32))
    assert not codec.matches(b"These are the notes of the trip,")
    for path in PHOTOS.glob("*.*"):
        head = path.read_bytes()[:32]
        claims = [other.__name__ for other in of_kind(Codec) if make(other).matches(head)]
        assert len(claims) == 1, f"{path.name} is claimed by {claims}"


class Context:
    """A ReadContext of a few lines: what the engine does, without limits and push-down."""

    limits = Limits()

    def remark(self, text: str) -> None:
        assert "\n" not in text

    def alive(self) -> None:
        """Nobody waits."""

    def took(self, nbytes: int) -> None:
        assert nbytes > 0

    def check(self, spec: Spec) -> None:
        assert spec.height * spec.width <= self.limits.pixels

    def load(self, path: str) -> memoryview:
        return memoryview(Path(path).read_bytes())

    def picture(self, data: memoryview) -> Part:
        codec = next(codec for codec in map(make, of_kind(Codec)) if codec.matches(bytes(data[:32])))
        header = codec.header(data)
        return Part(header.spec, lambda out: codec.decode(data, header.spec, out), header.metadata)


@pytest.mark.parametrize("cls", of_kind(Reader), ids=lambda cls: cls.__name__)
class TestEveryReader:
    def test_discovers_in_order_and_counts_alike(self, cls: type[Reader], tmp_path: Path) -> None:
        """Numbers run from 0, two runs find the same, `count` adds up, and a name goes with each item."""
        reader: Reader = make(cls, tmp_path)
        items = list(reader.discover())
        assert items
        assert [item.number for item in items] == list(range(len(items)))
        assert list(make(cls, tmp_path).discover()) == items
        assert sum(reader.count()) in (0, len(items))
        assert all(item.name and "/" not in item.name and not item.dir.startswith("/") for item in items)

    def test_is_lazy(self, cls: type[Reader], tmp_path: Path) -> None:
        """`discover` and `count` are iterators: nothing is looked at before the first item is asked for."""
        reader: Reader = make(cls, tmp_path)
        assert iter(reader.discover()) is not reader.discover()
        assert next(iter(reader.discover())).number == 0

    def test_fills_what_it_announces(self, cls: type[Reader], tmp_path: Path) -> None:
        """Each part writes its own memory only, and the fixed Spec, where there is one, is every part's."""
        reader: Reader = make(cls, tmp_path)
        for item in itertools.islice(reader.discover(), 20):
            for part in reader.read(item, Context()):
                assert part.spec == (reader.fixed_spec() or part.spec)
                out, buffer = guarded(part.spec)
                part.fill(out)
                assert intact(buffer)

    def test_holds_the_files_it_finds(self, cls: type[Reader], tmp_path: Path) -> None:
        """No output may be written over a file that was discovered; another path is not held."""
        reader: Reader = make(cls, tmp_path)
        for item in reader.discover():
            if Path(item.source).is_file():
                assert reader.holds(str(Path(item.source).resolve()), str(tmp_path / "out"))
        assert not reader.holds(str(tmp_path / "out/x.jpg"), str(tmp_path / "out"))


class Save:
    """A WriteContext that keeps what is written."""

    def __init__(self, encoder: Codec | None, folder: Path) -> None:
        self.encoder, self.saved = encoder, []
        self.target = str(folder / "target")

    def temporary(self) -> str:
        return self.target + ".tmp"

    def commit(self) -> int:
        return self.save(Path(self.temporary()).read_bytes())

    def discard(self) -> None:
        """What is left is the test's."""

    def alive(self) -> None:
        """Nobody waits."""

    def save(self, data: bytes | memoryview) -> int:
        self.saved.append(bytes(data))
        return len(data)


@pytest.mark.parametrize("cls", of_kind(Writer), ids=lambda cls: cls.__name__)
def test_every_writer_returns_the_bytes_written(cls: type[Writer], tmp_path: Path) -> None:
    """The number returned is what was saved; pixels stay as they are; `generic` names fields of the writer."""
    writer: Writer = make(cls)
    template = writer.destination()
    encoders = [make(codec) for codec in of_kind(Codec)]
    encoder = next((codec for codec in encoders if template and template.format in codec.extensions), None)
    assert not writer.encodes or encoder is not None
    assert set(writer.generic) <= {parameter.name for parameter in dataclasses.fields(cls)}  # type: ignore[arg-type]
    spec, context = YUV[0] if writer.yuv is not None else Spec(16, 24), Save(encoder, tmp_path)
    pixels = picture(spec)
    writer.open()
    nbytes = writer.write(frame_of(spec, pixels), context) + writer.finish(Item(0, "a"), context)
    writer.close()
    assert nbytes == sum(map(len, context.saved))
    assert writer.encodes or writer.discards or nbytes
    assert (pixels == picture(spec)).all()


@pytest.mark.parametrize("path", sorted(BROKEN.iterdir()), ids=lambda path: path.name)
def test_broken_samples_fail_with_a_reason(path: Path) -> None:
    """Each file of samples/broken is refused in one line, by its codec or because no codec knows it."""
    data = memoryview(path.read_bytes())
    codec = next((codec for codec in map(make, of_kind(Codec)) if codec.matches(bytes(data[:32]))), None)
    if codec is None:
        assert path.name in ("empty.jpg", "not_an_image.jpg")
        return
    if path.name == "jpeg_named.png":
        assert codec.header(data).spec.size == (240, 320)
        return
    with pytest.raises(ItemError, match=r"\A[^\n]+\Z"):
        read(codec, data, Spec(240, 320), np.empty((240, 320, 3), np.uint8))
