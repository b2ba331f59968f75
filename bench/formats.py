"""12-megapixel pictures of each format to 256 pixels, beside a pyvips Pool of two: CPU, memory and pixels.

    python -m bench.formats [--pairs 5] [--formats png,webp] [--cache DIR]

*CPU a file* is the slope between a run of 4 and one of 24 files, so that start-up does not count; a ratio is ours over
theirs of one pair, and the median of the pairs is told. *Memory* is the highest proportional set size (PSS) of the
process tree. *PSNR* is against a full decode and a full-size Lanczos, before the encoder; the median of the pictures.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from bench import corpus
from bench.peers.pillow_pool import shrink
from bench.pixels import psnr
from bench.process import Job, Sample, run
from bench.settings import CONFIGS, environment

DISTINCT, FEW, MANY, SIZE = 4, 4, 24, 256
EVERY_S = 0.02
CPU_BAR = {"avif": 1.15, "heic": 1.15}  # times theirs; others 1.10
MEMORY_FACTOR, MEMORY_BESIDE_NBYTES = 2.5, 60_000_000


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _deep(image: Image.Image, save: str, **options: object) -> bytes:
    """16 bits a sample, with noise in the lower ones, as scanners and cameras give."""
    import pyvips

    wide = np.asarray(image).astype(np.uint16) * 257
    wide ^= np.random.default_rng(0).integers(0, 128, wide.shape, np.uint16)
    height, width = wide.shape[:2]
    picture = pyvips.Image.new_from_memory(wide, width, height, 3, "ushort").copy(interpretation="rgb16")
    encoded: bytes = getattr(picture, save)(**options)
    return encoded


MAKERS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "jpeg": ("jpg", lambda image: _saved(image, "JPEG", quality=90)),
    "progressive": ("jpg", lambda image: _saved(image, "JPEG", quality=90, progressive=True)),
    "png": ("png", lambda image: _saved(image, "PNG", compress_level=6)),
    "png16": ("png", lambda image: _deep(image, "pngsave_buffer", compression=6, filter="all")),
    "tiff16": ("tif", lambda image: _deep(image, "tiffsave_buffer", compression="lzw", predictor="horizontal")),
    "webp": ("webp", lambda image: _saved(image, "WEBP", quality=85, method=2)),
    "gif": ("gif", lambda image: _saved(image.quantize(256, Image.Quantize.FASTOCTREE), "GIF")),
    "avif": ("avif", lambda image: _saved(image, "AVIF", quality=70, speed=9)),
    "heic": ("heic", lambda _: b""),  # nothing installed writes it: see `heics`
}


def build(cache: Path, formats: list[str]) -> None:
    """A folder of each format with MANY files, of which DISTINCT are different and the rest links to them."""
    corpus.build(cache, large=DISTINCT, small=1)
    photos = sorted((cache / "large").iterdir())[:DISTINCT]
    for name in formats:
        extension, make = MAKERS[name]
        folder = cache / "formats" / name
        if folder.is_dir() and len(list(folder.iterdir())) == MANY:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, photo in enumerate(photos):
            print(f"  making {name} {number + 1} of {DISTINCT}", file=sys.stderr, flush=True)
            path = folder / f"{number:02d}.{extension}"
            if name == "heic":
                heic(photo, path, cache)
            else:
                with Image.open(photo) as image:
                    path.write_bytes(make(image.convert("RGB")))
        for number in range(DISTINCT, MANY):
            os.link(folder / f"{number % DISTINCT:02d}.{extension}", folder / f"{number:02d}.{extension}")


def heic(photo: Path, path: Path, cache: Path) -> None:
    """Encoded by x265 through pillow-heif, which is installed into the cache: what we install does not encode."""
    import subprocess

    python = cache / "heic-encoder/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache / "heic-encoder")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pillow-heif"], check=True)
    script = (
        "import sys, pillow_heif; from PIL import Image; pillow_heif.register_heif_opener();"
        " Image.open(sys.argv[1]).convert('RGB').save(sys.argv[2], quality=70)"
    )
    subprocess.run([str(python), "-c", script, str(photo), str(path)], check=True)


@contextmanager
def _pss(pid: int, peaks: list[int]) -> Iterator[None]:
    """Appends the highest PSS of a process and its descendants, in bytes."""
    stop, most = threading.Event(), [0]

    def look() -> None:
        while not stop.wait(EVERY_S):
            total = 0
            try:
                tree = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
            except psutil.NoSuchProcess:
                continue
            for each in tree:
                try:
                    with open(f"/proc/{each}/smaps_rollup") as file:
                        total += next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
                except (OSError, StopIteration):
                    continue
            most[0] = max(most[0], total)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        peaks.append(most[0])


def _jobs(source: Path, out: Path, files: int, extension: str = "jpg") -> dict[str, Job]:
    config = str(CONFIGS / "thumb_any.yaml")
    ours = (
        sys.executable, "-m", "pipeline.cli", "run", config, "--json", "-q",
        "--set", f"reader.path={source}", "--set", f"writer.path={out}/{{stem}}.{extension}",
        "--set", "durability=none",
    )  # fmt: skip
    peer = (sys.executable, "-m", "bench.peers.vips_pool", str(source), str(out), "--extension", extension)
    return {name: Job(name, argv, environment(), out, files) for name, argv in (("pipeline", ours), ("pyvips", peer))}


def _subset(folder: Path, count: int, scratch: Path) -> Path:
    subset = scratch / f"{folder.name}-{count}"
    if not subset.is_dir():
        subset.mkdir(parents=True)
        for path in sorted(folder.iterdir())[:count]:
            shutil.copy(path, subset)
    return subset


def measure(name: str, folder: Path, pairs: int, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """CPU a file in ms and peak PSS in bytes of each contender, one value a pair."""
    figures: dict[str, dict[str, list[float]]] = {who: {"cpu_ms": [], "pss": []} for who in ("pipeline", "pyvips")}
    for number in range(pairs):
        order = ("pipeline", "pyvips") if number % 2 else ("pyvips", "pipeline")
        for who in order:
            cpu: dict[int, float] = {}
            for files in (FEW, MANY):
                job = _jobs(_subset(folder, files, scratch), scratch / "out", files)[who]
                peaks: list[int] = []
                sample: Sample = run(job, watch=lambda pid, peaks=peaks: _pss(pid, peaks))  # type: ignore[misc]
                cpu[files] = sample.cpu_s
            figures[who]["cpu_ms"].append((cpu[MANY] - cpu[FEW]) / (MANY - FEW) * 1000)
            figures[who]["pss"].append(float(peaks[-1]))
        print(f"  {name} pair {number + 1} of {pairs}", file=sys.stderr, flush=True)
    return figures


def likeness(folder: Path, scratch: Path) -> dict[str, float]:
    """Median PSNR in dB of each contender over the distinct pictures."""
    source = _subset(folder, FEW, scratch)
    reference = {path.stem: np.asarray(_full(path)) for path in source.iterdir()}
    told = {}
    for who, job in _jobs(source, scratch / "out", FEW, "png").items():
        run(job)
        found = []
        for path in sorted((scratch / "out").glob("*.png")):
            with Image.open(path) as image:
                found.append(psnr(np.asarray(image.convert("RGB")), reference[path.stem]))
        told[who] = statistics.median(found)
    return told


def _full(path: Path) -> Image.Image:
    """A full-size Lanczos of every pixel; of 16 bits the upper eight, rounded."""
    import pi_heif
    import pyvips

    pi_heif.register_heif_opener()
    if path.suffix == ".tif" or path.parent.name.startswith("png16"):
        deep = pyvips.Image.new_from_file(str(path))
        wide = np.ndarray((deep.height, deep.width, deep.bands), np.uint16, deep.write_to_memory())
        file = io.BytesIO()
        Image.fromarray(((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)).save(file, "PNG", compress_level=0)
        file.seek(0)
        return shrink(file, SIZE)  # type: ignore[arg-type]
    return shrink(str(path), SIZE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--formats", default=",".join(MAKERS))
    parser.add_argument("--cache", type=lambda text: Path(text).expanduser(), default=corpus.DEFAULT_CACHE.expanduser())
    args = parser.parse_args()
    formats = args.formats.split(",")
    build(args.cache, formats)
    print(f"{'format':12} {'CPU ms':>14} {'ratio':>6} {'bar':>5} {'PSS MB':>12} {'bar':>5} {'dB':>12}")
    jpeg = 0.0
    for name in formats:
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-formats-") as scratch:
            folder = args.cache / "formats" / name
            figures = measure(name, folder, args.pairs, Path(scratch))
            near = likeness(folder, Path(scratch))
        ours, theirs = figures["pipeline"], figures["pyvips"]
        ratio = statistics.median(a / b for a, b in zip(ours["cpu_ms"], theirs["cpu_ms"], strict=True))
        cpu, peer_cpu = statistics.median(ours["cpu_ms"]), statistics.median(theirs["cpu_ms"])
        pss, peer_pss = statistics.median(ours["pss"]), statistics.median(theirs["pss"])
        jpeg = pss if name == "jpeg" else jpeg
        bar = max(MEMORY_FACTOR * peer_pss, jpeg + MEMORY_BESIDE_NBYTES) if jpeg else MEMORY_FACTOR * peer_pss
        print(
            f"{name:12} {cpu:6.0f} / {peer_cpu:5.0f} {ratio:6.2f} {CPU_BAR.get(name, 1.1):5.2f}"
            f" {pss / 1e6:5.0f} / {peer_pss / 1e6:4.0f} {bar / 1e6:5.0f}"
            f" {near['pipeline']:5.1f} / {near['pyvips']:4.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
