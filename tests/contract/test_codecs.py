"""What every codec must keep to, asked for each Spec that it encodes; a new one is tested unasked."""

from __future__ import annotations

import contextlib
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from components import BROKEN, CODED, ENCODED, NOT_ENCODED, PHOTOS, Pair, make, of_kind
from pictures import CANARY, OTHER_CANARY, Pixels, frame_of, guarded, intact, waves

from pipeline import NO_METADATA, Codec, ItemError, Limits, Metadata, Size, Spec, SpecError

WITH_PALETTE = ("Gif",)  # 256 colours for three waves of different directions
WITHOUT_PROFILE = ("Bmp", "Gif", "Pnm")  # formats that have no place for one


def encoded(pair: Pair, metadata: Metadata = NO_METADATA) -> tuple[Codec, memoryview, Pixels]:
    """A codec, an encoded picture and its pixels."""
    codec, pixels = pair.stage(), waves(pair.spec)
    data = codec.encode(frame_of(pixels, pair.spec, metadata))
    return codec, memoryview(bytes(data)), pixels


def over_white(pixels: np.ndarray, spec: Spec) -> np.ndarray:
    """(H, W, 3) as seen on a white ground, by which colour models can be compared."""
    white = float(np.iinfo(spec.dtype).max)
    share = pixels[..., -1:] / white if spec.has_alpha else 1.0
    colours = pixels[..., :-1] if spec.has_alpha else pixels
    return np.broadcast_to(colours * share + white * (1 - share), (*spec.size, 3))


def profile_of(nbytes: int, spec: Spec) -> bytes:
    """What any reader takes for a profile: a header, and one tag that fills the rest."""
    rest = np.random.default_rng(nbytes).integers(0, 256, nbytes - 144, np.uint8).tobytes()
    space = b"GRAY" if spec.base_model == "gray" else b"RGB "
    head = struct.pack(">I8x4s4s4s", nbytes, b"mntr", space, b"XYZ ").ljust(36, b"\0") + b"acsp"
    return head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"desc", 144, nbytes - 144) + rest


def read(codec: Codec, data: memoryview, target: Spec, out: np.ndarray) -> None:
    """Header, limit and decoding, as the engine goes about it."""
    spec = codec.header(data).spec
    if spec.height * spec.width > Limits().pixels:
        raise ItemError("beyond the limit")
    codec.decode(data, target, out)


@pytest.mark.parametrize("cls", [cls for cls in of_kind(Codec) if cls.models], ids=lambda cls: cls.__name__)
def test_each_encodes_some_spec(cls: type[Codec]) -> None:
    """A codec with models that refuses every Spec of them would pass all other tests of this file."""
    assert any(pair.cls is cls for pair in ENCODED)


def test_most_pairs_are_encoded() -> None:
    """The pairs are found by encoding, so a mistake in that could leave no test at all; the numbers say it would."""
    assert len(ENCODED) + len(NOT_ENCODED) == len(CODED)
    assert len(ENCODED) > 3 * sum(bool(cls.models) for cls in of_kind(Codec))


@pytest.mark.parametrize("pair", NOT_ENCODED, ids=str)
def test_what_is_not_encoded_is_refused_with_a_remedy(pair: Pair) -> None:
    """A Spec that the format cannot hold: what to do about it is said."""
    with pytest.raises(SpecError) as caught:
        encoded(pair)
    assert caught.value.remedy


@pytest.mark.parametrize("pair", ENCODED, ids=str)
class TestEveryCodec:
    def test_gives_back_what_it_encoded(self, pair: Pair) -> None:
        """`header` foretells the decoded array; pixels are equal, or within 30 dB for a lossy format (palettes 25)."""
        codec, data, pixels = encoded(pair)
        assert codec.matches(bytes(data[:32]))
        header = codec.header(data)
        assert header.spec.size == pair.spec.size
        out, buffer = guarded(header.spec)
        codec.decode(data, header.spec, out)
        assert intact(buffer)
        got, want = out.astype(float), pixels.astype(float)
        if header.spec.model != pair.spec.model:  # flattened, or gray written as rgb
            got, want = over_white(got, header.spec), over_white(want, pair.spec)
        error = np.mean((got - want) ** 2)
        peak = np.iinfo(pair.spec.dtype).max
        assert error == 0 or 10 * math.log10(peak**2 / error) >= (25 if pair.cls.__name__ in WITH_PALETTE else 30)

    def test_writes_every_byte_the_same_each_time(self, pair: Pair) -> None:
        """Decoding does not depend on what lay in the memory before; encoding gives the same bytes."""
        codec, data, pixels = encoded(pair)
        assert bytes(codec.encode(frame_of(pixels, pair.spec))) == data
        target, results = codec.header(data).spec, []
        for canary in (CANARY, OTHER_CANARY):
            out, _ = guarded(target, canary)
            codec.decode(data.toreadonly(), target, out)
            results.append(out.tobytes())
        assert results[0] == results[1]

    def test_every_scale_is_what_it_announced(self, pair: Pair) -> None:
        """`shrunk` is at least what is needed, remembers the full size, and `decode` fills exactly that."""
        codec, data, _ = encoded(pair)
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

    def test_says_so_wherever_a_file_is_cut(self, pair: Pair) -> None:
        """Twenty cut points of a good file: ItemError in one line, or every pixel is there (an end mark is cut)."""
        codec, data, _ = encoded(pair)
        target = codec.header(data).spec
        whole, _ = guarded(target)
        codec.decode(data, target, whole)
        for length in np.linspace(1, len(data) - 1, 20).astype(int):
            out, buffer = guarded(target)
            try:
                read(codec, data[:length], target, out)
            except ItemError as error:
                assert "\n" not in str(error)
            else:
                assert (out == whole).all()
            assert intact(buffer)

    def test_meets_damage_with_item_errors_only(self, pair: Pair) -> None:
        """Changed bytes anywhere decode or raise ItemError, never anything else, and never write beside `out`."""
        codec, data, _ = encoded(pair)
        rng = np.random.default_rng(0)
        for _ in range(60):
            damaged = bytearray(data)
            for place in rng.integers(0, min(len(data), rng.choice([40, 200, 1 << 20])), 3):
                damaged[place] = rng.integers(0, 256)
            try:
                target = codec.header(memoryview(damaged)).spec
            except ItemError:
                continue
            out, buffer = guarded(target if target.nbytes < 1 << 22 else pair.spec)
            with contextlib.suppress(ItemError):
                codec.decode(memoryview(damaged), target, out)
            assert intact(buffer)

    def test_keeps_an_icc_profile(self, pair: Pair) -> None:
        """A profile of any length comes back byte for byte, or is left out where the format has no place for it."""
        for length in (148, 70_000, 200_000):
            profile = profile_of(length, pair.spec)
            codec, data, _ = encoded(pair, Metadata(icc=profile))
            header = codec.header(data)
            as_colour = header.spec.base_model != pair.spec.base_model  # a profile of gray does not go with colour
            assert header.metadata.icc == (b"" if pair.cls.__name__ in WITHOUT_PROFILE or as_colour else profile)
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
