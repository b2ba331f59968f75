"""HDR brought to common screens."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import frame_of, noise, spec_of

from pipeline import Spec, SpecError
from stages.media import light
from stages.transforms.tone_map import ToneMap


def test_transfer_functions_at_their_landmarks() -> None:
    """BT.2100: PQ of 0, 100, 1000 and 10,000 nits; HLG's reference white of 203 nits at 75 %."""
    for nits, sample in ((0, 0.0), (100, 0.508), (1000, 0.752), (10_000, 1.0)):
        assert float(light.to_pq(np.float32(nits))) == pytest.approx(sample, abs=0.0006)
        assert float(light.from_pq(np.float32(sample))) == pytest.approx(nits, rel=0.01, abs=0.001)
    assert float(light.from_hlg(np.full((1, 1, 3), 0.75, np.float32))[0, 0, 0]) == pytest.approx(203, rel=0.01)
    assert float(light.from_hlg(np.full((1, 1, 3), 1.0, np.float32))[0, 0, 0]) == pytest.approx(1000, rel=0.01)


def mapped(stage: ToneMap, nits: list[float], transfer: str = "pq", dtype: str = "uint16", **spec: str) -> np.ndarray:
    """Samples from 0 to 1 of gray pixels of so many nits."""
    samples = light.to_pq(np.array(nits, np.float32))
    pixels = np.rint(np.repeat(samples[None, :, None], 3, axis=2) * np.iinfo(dtype).max).astype(dtype)
    hdr = spec_of(pixels, transfer=transfer, primaries=spec.get("primaries", "icc"))
    target = stage.output_spec(hdr)
    out = np.zeros(target.shape, target.dtype)
    stage.process(frame_of(pixels, hdr), out)
    assert (target.transfer, target.dtype, target.model) == ("srgb", dtype, "rgb")
    return out[0, :, 1] / np.iinfo(dtype).max


def test_clip_keeps_all_below_white() -> None:
    """203 nits are white; half of that is the sample of half the light."""
    got = mapped(ToneMap(curve="clip"), [0, 101.5, 203, 1000])
    assert got == pytest.approx([0, 0.735, 1, 1], abs=0.004)


def test_bt2390_presses_highlights_and_leaves_the_rest() -> None:
    """Straight up to its knee; the peak becomes white; what was brighter stays brighter."""
    nits = [1, 20, 50, 203, 500, 900, 1000]
    got, plain = mapped(ToneMap(), nits), mapped(ToneMap(curve="clip"), nits)
    assert got[:2] == pytest.approx(plain[:2], abs=0.003)
    assert got[3] < 0.9
    assert got[-1] == pytest.approx(1, abs=0.002)
    assert (np.diff(got) > 0).all()


def test_hable_is_smooth_and_ends_at_the_peak() -> None:
    got = mapped(ToneMap(curve="hable"), [0, 10, 100, 203, 600, 1000])
    assert (np.diff(got) > 0).all()
    assert (got[0], got[-1]) == pytest.approx((0, 1), abs=0.002)


def test_hues_stay_and_primaries_become_those_of_srgb() -> None:
    """A bright orange keeps its proportions; BT.2020 named by the frame is converted, a profile is left to srgb."""
    samples = light.to_pq(np.array([[[800, 400, 80]]], np.float32))
    pixels = np.rint(samples * 65535).astype(np.uint16)
    for primaries in ("icc", "bt2020"):
        spec = spec_of(pixels, transfer="pq", primaries=primaries)
        target = ToneMap().output_spec(spec)
        out = np.zeros(target.shape, np.uint16)
        ToneMap().process(frame_of(pixels, spec), out)
        shares = light.from_srgb(out[0, 0] / 65535)
        if primaries == "icc":
            assert target.primaries == "icc"
            assert shares / shares[0] == pytest.approx([1, 0.5, 0.1], abs=0.01)
        else:
            assert target.primaries == "srgb"
            assert shares[0] > shares[1] > shares[2]


def test_what_is_no_hdr_passes_and_what_cannot_be_mapped_is_refused() -> None:
    pixels = noise(4, 4)
    assert ToneMap().output_spec(spec_of(pixels)) == spec_of(pixels)
    with pytest.raises(SpecError):
        ToneMap().output_spec(Spec.of("yuv420", 4, 4, transfer="pq"))
