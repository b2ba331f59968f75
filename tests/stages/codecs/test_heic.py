"""HEIC: read as libheif shows it, told from AVIF and video, never written."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from harness import counts, plan_of
from pictures import decoded
from PIL import Image

from pipeline import DecodeContext, ItemError, Size
from pipeline.supervisor import serial
from stages.codecs.heic import Heic
from stages.media import icc

HOME = Path(__file__).parent / "heic"  # made by x265 through pillow-heif 1.8: 64x48 waves, 4:4:4, quality 90


def waves() -> np.ndarray:
    """What the files show, from 0 to 255."""
    y, x = np.mgrid[0:48, 0:64]
    return np.dstack([127 + 100 * np.sin(x / 9), 127 + 100 * np.sin(y / 7), 127 + 100 * np.sin((x + y) / 11)])


def read(name: str) -> bytes:
    return (HOME / f"{name}.heic").read_bytes()


@pytest.mark.parametrize(
    ("head", "is_heic"),
    [(b"heic\0\0\0\0mif1heic", True), (b"heix\0\0\0\0mif1", True), (b"mif1\0\0\0\0mif1heic", True),
     (b"msf1\0\0\0\0hevc", True), (b"avif\0\0\0\0mif1miaf", False), (b"isom\0\0\0\0iso2mp41", False)],
)  # fmt: skip
def test_heic_is_told_from_avif_and_mp4(head: bytes, is_heic: bool) -> None:
    """By the brands within the first box."""
    box = struct.pack(">I4s", len(head) + 8, b"ftyp") + head
    assert Heic().matches((box + b"heic" * 8)[:32]) is is_heic


def test_what_is_no_heic_fails_in_one_line() -> None:
    """Its first box alone, and rubbish behind it."""
    box = struct.pack(">I4s", 24, b"ftyp") + b"heic\0\0\0\0mif1heic"
    for data in (box, box + bytes(200), box + b"\xff" * 200):
        with pytest.raises(ItemError, match=r"\Adamaged HEIC: [^\n]+\Z"):
            Heic().header(memoryview(data))


@pytest.mark.parametrize(
    ("name", "model", "dtype"),
    [("plain", "rgb", "uint8"), ("ten", "rgb", "uint16"), ("twelve", "rgb", "uint16"), ("alpha", "rgba", "uint8"),
     ("odd", "rgb", "uint8"), ("nclx_p3", "rgb", "uint8"), ("exif6", "rgb", "uint8")],
)  # fmt: skip
def test_pixels_are_those_that_were_encoded(name: str, model: str, dtype: str) -> None:
    """Of 8, 10 and 12 bits, stretched to their range; odd sizes; with alpha. EXIF's orientation turns nothing here."""
    spec, pixels = decoded(Heic(), read(name))
    assert (spec.model, spec.dtype, spec.orientation) == (model, dtype, 1)
    wanted = waves()[: spec.height, : spec.width]
    assert np.abs(pixels[..., :3].astype(float) / spec.white * 255 - wanted).mean() < 1
    if model == "rgba":
        y, x = np.mgrid[0:48, 0:64]
        disc = (x - 32) ** 2 + (y - 24) ** 2 < 400
        assert ((pixels[..., 3] > 127) == disc).mean() > 0.99


@pytest.mark.parametrize("name", ["plain", "ten", "alpha"])
@pytest.mark.parametrize("factor", [2, 4])
def test_averages_are_those_of_its_pixels(name: str, factor: int) -> None:
    codec, data = Heic(), memoryview(read(name))
    spec, whole = decoded(codec, read(name))
    small = codec.shrunk(spec, Size(48 // factor, 64 // factor))
    assert small.size == (48 // factor, 64 // factor)
    out = np.zeros(small.shape, small.dtype)
    codec.decode(data, small, out)
    wanted = whole.reshape(48 // factor, factor, 64 // factor, factor, -1).astype(float)
    if name == "alpha":  # colours weigh by it
        weights = wanted[..., 3:]
        wanted[..., :3] *= weights / np.maximum(weights.mean(axis=(1, 3), keepdims=True), 1)
    seen = out[..., -1] > 8  # where there is something to be seen
    assert np.abs(out - wanted.mean(axis=(1, 3)))[seen].max() <= 2


def test_gray() -> None:
    spec, pixels = decoded(Heic(), read("gray"))
    assert (spec.model, pixels.shape) == ("gray", (48, 64))
    gray = np.asarray(Image.fromarray(np.rint(waves()).astype(np.uint8)).convert("L")).astype(int)
    assert np.abs(pixels - gray).mean() < 1.5


@pytest.mark.parametrize(("name", "turned"), [("turn6", lambda coded: np.rot90(coded, -1)), ("turn2", np.fliplr)])
def test_irot_and_imir_are_applied(name: str, turned: object) -> None:
    """To what FFmpeg finds coded in the file, as the boxes say (ISO/IEC 23008-12, 6.5.10 and 6.5.12)."""
    import av

    spec, pixels = decoded(Heic(), read(name))
    with av.open(str(HOME / f"{name}.heic")) as file:
        coded = next(file.decode(video=0)).to_ndarray(format="rgb24")
    height, width = spec.size if name == "turn2" else spec.size[::-1]
    wanted = turned(coded[:height, :width])  # type: ignore[operator]
    assert np.abs(pixels.astype(int) - wanted).mean() < 1


def test_colours_by_the_codes_in_nclx() -> None:
    """P3 becomes a profile, and so sRGB; PQ is told."""
    header = Heic().header(memoryview(read("nclx_p3")))
    assert header.metadata.icc == icc.matrix_profile(icc.CODED[12], 0.0)
    assert Heic().header(memoryview(read("pq"))).spec.transfer == "pq"


def test_pq_is_refused_or_tone_mapped(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.heic").write_bytes(read("pq"))
    reader = {"use": "folder", "path": str(tmp_path / "in")}
    writer = {"use": "files", "path": f"{tmp_path}/out/{{stem}}.png"}
    [failure] = serial.run(plan_of(tmp_path, reader, [["orient"]], writer)).failures
    assert "add the stage `tone_map`" in failure.reason
    assert counts(serial.run(plan_of(tmp_path, reader, [["orient", "tone_map"]], writer))) == {"done": 1}
    with Image.open(tmp_path / "out/a.png") as image:
        assert not image.info.get("icc_profile")
        assert np.asarray(image).std() > 20


def test_of_several_pictures_the_primary_one_comes_first() -> None:
    data = memoryview(read("two"))
    header = Heic().header(data)
    assert header.frames == 2
    shown = []
    for picture in Heic().pictures(data, header):
        out = np.zeros(picture.spec.shape, picture.spec.dtype)
        picture.fill(out)
        shown.append(out.astype(int))
    gray, colour = (np.abs(each[..., 0] - each[..., 1]).mean() for each in shown)
    assert gray < 3 < colour


def test_copyright_comes_along() -> None:
    assert b"(c) Ada" in Heic().header(memoryview(read("exif6"))).metadata.exif


def test_an_item_of_a_type_that_is_no_text() -> None:
    """It would end the process of some versions of the library."""
    data = read("exif6")
    at = data.index(b"Exif")
    with pytest.raises(ItemError, match=r"\Adamaged HEIC: an item of the type b'E\\xea"):
        Heic().header(memoryview(data[: at + 1] + b"\xea" + data[at + 2 :]))


@pytest.mark.parametrize("name", ["plain", "ten", "alpha"])
def test_cut_and_changed_files_fail_or_are_read(name: str) -> None:
    """Cut at each twentieth, and with bytes changed at random: a reason in one line, never another error."""
    whole, rng = read(name), np.random.default_rng(1)
    hurt = [whole[: len(whole) * part // 20] for part in range(1, 20)]
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 4):
            data[place] = int(rng.integers(0, 256))
        hurt.append(bytes(data))
    failed = 0
    for data in hurt:
        codec = Heic()
        try:
            spec = codec.header(memoryview(data)).spec
            if spec.height * spec.width > 1 << 20:
                continue
            codec.decode(memoryview(data), spec, np.zeros(spec.shape, spec.dtype), DecodeContext())
        except ItemError as error:
            failed += 1
            assert "\n" not in str(error)
    assert failed >= 19
