"""Writing zips: members are stored, for pictures hardly become smaller; without times, so equal ones are equal."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pipeline import Content

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say
MODE = 0o100644 << 16


def pack(contents: Iterable[Content], file: BinaryIO) -> Iterator[int]:
    """Write a whole zip; where the bytes of each content begin."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data, _ in contents:
            info = zipfile.ZipInfo(
                name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), LONG_AGO
            )
            info.external_attr, info.create_system = MODE, 3
            archive.writestr(info, data)
            yield file.tell() - len(data)
