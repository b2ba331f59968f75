"""Beside sharp (libvips in Node.js) and ImageMagick, the tools that people reach for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import GAP_1, MAGICK, OURS, SHARP, SHARP_FAST, node_modules
from bench.pixels import Likeness
from bench.process import Sample
from bench.rows import Outcome, Row, at_least
from bench.settings import Settings
from bench.works.thumbs import note, run, whole

STAGED = OURS[0]
SHARP_VERSION = "0.35"


def large(settings: Settings) -> Outcome:
    """12 megapixels. Bars: sharp at its best concurrency, the better picture of its two and the faster."""
    missing = install(settings.cache)
    if missing:
        return Outcome([Row("12 MP beside sharp", "faster, at higher PSNR", f"not measured: {missing}")])
    outcome, files = run("large", [STAGED, SHARP, GAP_1, SHARP_FAST, *_magick()], settings)
    work, samples = f"12 MP -> 256 px, {files} files", outcome.samples
    fast = whole(samples, GAP_1, SHARP_FAST, files)
    outcome.rows += [
        at_least(work, what="reducing_gap 2, whole run / sharp", bar=1.2, values=whole(samples, STAGED, SHARP, files)),
        _better(work, outcome.likeness),
        at_least(work, what="reducing_gap 1, whole run / sharp fast shrink", bar=1.2, values=fast),
        _beside_magick(work, samples, files),
    ]
    return outcome


def small(settings: Settings) -> Outcome:
    """500x375. Bar: sharp at its best concurrency."""
    missing = install(settings.cache)
    if missing:
        return Outcome([Row("500x375 beside sharp", "faster", f"not measured: {missing}")])
    outcome, files = run("small", [STAGED, SHARP, *_magick()], settings)
    work, samples = f"500x375 -> 256 px, {files} files", outcome.samples
    outcome.rows += [
        at_least(work, what="staged, whole run / sharp", bar=2.5, values=whole(samples, STAGED, SHARP, files)),
        _beside_magick(work, samples, files),
    ]
    return outcome


def _magick() -> list[str]:
    return [MAGICK] if shutil.which("mogrify") else []


def _beside_magick(work: str, samples: Sequence[Sample], files: int) -> Row:
    if not _magick():
        return Row(work, "whole run / ImageMagick (no bar)", "not measured: no mogrify (apt install imagemagick)")
    return note(work, "whole run / ImageMagick", whole(samples, STAGED, MAGICK, files))


def _better(work: str, likeness: list[Likeness]) -> Row:
    """The median picture of ours against that of sharp, in dB from a full-size Lanczos."""
    found = {each.contender: each.median_db for each in likeness}
    bar = "PSNR higher than that of sharp"
    if STAGED not in found or SHARP not in found:
        return Row(work, bar, "not measured")
    return Row(work, bar, f"{found[STAGED]:.1f} dB against {found[SHARP]:.1f} dB", found[STAGED] > found[SHARP])


def install(cache: Path) -> str:
    """Put sharp into the cache with npm, once; why it is not there, or ""."""
    home = node_modules(cache)
    if (home / "node_modules" / "sharp").is_dir():
        return ""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "no npm and node (apt install npm)"
    home.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"sharp@{SHARP_VERSION}"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"npm install sharp failed: {done.stderr.strip()[:200]}"
