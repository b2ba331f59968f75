"""SHA-256 of every input, as `sha256sum` writes and checks it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline import Frame, ItemError, Partial, Reducer


@dataclass(frozen=True)
class Checksums(Reducer):
    """A manifest `SHA256SUMS` of the inputs that were done, paths below the input folder; `pipeline verify-manifest`
    and `sha256sum --check` compare it with the files.
    """

    path: str = field(metadata={"doc": "folder of the manifest"})

    asks_digest: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"path": "out/checksums"}

    def map(self, frame: Frame) -> Partial:
        """Name and digest of the file; once for each, from its first frame."""
        if frame.index:
            return None
        item = frame.item
        if frame.sha256:
            return [[item.below, frame.sha256.hex()]]
        if not item.source:
            raise ItemError("has no file that a checksum could be of")
        with open(item.source, "rb") as file:  # a video, which no reader loads
            return [[item.below, hashlib.file_digest(file, "sha256").hexdigest()]]

    def merge(self, total: Partial, partial: Partial) -> Partial:
        total += partial
        return total

    def finish(self, total: Partial) -> Iterator[tuple[str, bytes]]:
        """A line a file; names with a backslash or a line end are escaped as `sha256sum` does."""
        lines = []
        for name, digest in total:
            escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
            lines.append(f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n")
        yield "SHA256SUMS", "".join(lines).encode("utf-8", "surrogateescape")
