"""From samples to light and back: the transfer functions of sRGB, PQ and HLG as tables and formulas.

Sources: IEC 61966-2-1 (sRGB); SMPTE ST 2084 and Rec. ITU-R BT.2100-2, tables 4 and 5 (PQ, HLG).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline import Pixels, Spec

PQ_NITS = 10_000.0  # of a sample of 1
HLG_NITS, HLG_GAMMA = 1000.0, 1.2  # of the display that HLG is shown on, and of the system
M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
HLG_A, HLG_B, HLG_C = 0.17883277, 0.28466892, 0.55991073
LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
DEEP = 65535  # the largest sample of light in 16 bits


def from_srgb(samples: Pixels) -> Pixels:
    """Light from 0 to 1 of samples from 0 to 1, float32."""
    low, high = samples / 12.92, ((np.maximum(samples, 0) + 0.055) / 1.055) ** 2.4
    return np.where(samples <= 0.04045, low, high).astype(np.float32)


def to_srgb(light: Pixels) -> Pixels:
    """Samples from 0 to 1 of light from 0 to 1, float32; beyond it the curve goes on."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high).astype(np.float32)


@lru_cache(maxsize=1)
def deep_tables() -> tuple[Pixels, Pixels]:
    """From samples of 8 bits to light of 16 (256,), and back (65536,), each rounded."""
    to = np.rint(from_srgb(np.arange(256) / 255) * DEEP).astype(np.uint16)
    back = np.rint(to_srgb(np.arange(DEEP + 1) / DEEP) * 255).astype(np.uint8)
    return to, back


def of_samples(pixels: Pixels, spec: Spec) -> Pixels:
    """Light in place of samples (H, W, C) of a Spec, alpha on its scale: uint16 for those of 8 bits, else float32."""
    colours = spec.channels - spec.has_alpha
    if spec.dtype == "uint8":
        to, _ = deep_tables()
        result = to[pixels]
        if spec.has_alpha:
            result[..., -1] = pixels[..., -1] * np.uint16(257)
        return result
    result = pixels.astype(np.float32) / np.float32(spec.white)
    result[..., :colours] = from_srgb(result[..., :colours])
    return result


def to_samples(shown: Pixels, spec: Spec) -> Pixels:
    """Samples of a Spec in place of what `of_samples` gave, rounded."""
    colours = spec.channels - spec.has_alpha
    if spec.dtype == "uint8":
        _, back = deep_tables()
        result = back[shown]
        if spec.has_alpha:
            result[..., -1] = (shown[..., -1].astype(np.uint32) + 128) // 257
        return result
    result = np.array(shown, np.float32)
    result[..., :colours] = to_srgb(np.maximum(result[..., :colours], 0))
    if spec.dtype == "float32":
        return result
    rounded: Pixels = np.rint(np.clip(result, 0, 1) * spec.white).astype(spec.dtype)
    return rounded


def from_pq(samples: Pixels) -> Pixels:
    """Nits of PQ samples from 0 to 1, float32."""
    root = np.asarray(samples, np.float64) ** (1 / M2)
    return (PQ_NITS * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)).astype(np.float32)


def to_pq(nits: Pixels) -> Pixels:
    """PQ samples from 0 to 1 of nits, float32."""
    power = (np.asarray(nits, np.float64) / PQ_NITS) ** M1
    return (((C1 + C2 * power) / (1 + C3 * power)) ** M2).astype(np.float32)


def from_hlg(samples: Pixels) -> Pixels:
    """Nits, on a display of 1000, of (H, W, C) HLG samples from 0 to 1, float32; with three channels by their luma."""
    high = (np.exp((samples - HLG_C) / HLG_A) + HLG_B) / 12
    scene = np.where(samples <= 0.5, samples**2 / 3, high).astype(np.float32)
    luma = scene @ LUMA if scene.shape[2] == 3 else scene[..., 0]
    return scene * (HLG_NITS * np.maximum(luma, 1e-9) ** (HLG_GAMMA - 1))[..., None]
