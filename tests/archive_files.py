"""Archives for tests: the same pictures in every kind of archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zstandard
from pictures import noise
from PIL import Image

PICTURES = ("a.png", "sub/b.png", "sub/deep/c.png")


def png(seed: int = 0, width: int = 24, height: int = 16) -> bytes:
    """A small picture of noise."""
    file = io.BytesIO()
    Image.fromarray(noise(height, width, seed=seed)).save(file, "PNG")
    return file.getvalue()


def pictures(names: tuple[str, ...] = PICTURES) -> dict[str, bytes]:
    return {name: png(number, 24 + number) for number, name in enumerate(names)}


def tar_bytes(members: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT, **more: Any) -> bytes:
    """A tar of regular files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, **more) as archive:
        for name, data in members.items():
            archive.addfile(info(name, len(data)), io.BytesIO(data))
    return file.getvalue()


def info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname, made.mtime = size, kind, link, 1_700_000_000
    return made


def zip_bytes(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))  # the same each time
            entry.compress_type = method
            archive.writestr(entry, data)
    return file.getvalue()


def streamed_zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip that was written to a pipe: sizes stand behind the members."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return pipe.data


def all_kinds(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """One archive of each kind, by the name of its file."""
    tar = tar_bytes(members)
    return {
        "p.tar": tar, "p.cbt": tar_bytes(members, tarfile.USTAR_FORMAT),
        "pax.tar": tar_bytes(members, tarfile.PAX_FORMAT),
        "p.tar.gz": gzip.compress(tar), "p.tgz": gzip.compress(tar[:700]) + gzip.compress(tar[700:]),
        "p.tar.zst": zstandard.compress(tar), "p.tar.bz2": bz2.compress(tar), "p.tar.xz": lzma.compress(tar),
        "p.zip": zip_bytes(members), "p.cbz": zip_bytes(members, zipfile.ZIP_DEFLATED),
        "streamed.zip": streamed_zip_bytes(members), "sfx.zip": b"#!/bin/sh\n" * 9 + zip_bytes(members),
    }  # fmt: skip


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
