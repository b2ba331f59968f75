"""What every writer must keep to; a new one is tested unasked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from components import YUV, make, of_kind
from pictures import frame_of, waves

from pipeline import Codec, Item, Spec, Writer


class Save:
    """A WriteContext that keeps what is written."""

    def __init__(self, encoder: Codec | None, target: Path) -> None:
        self.encoder, self.saved = encoder, []
        self.target = str(target)

    def temporary(self) -> str:
        return self.target + ".tmp"

    def commit(self) -> int:
        return self.save(Path(self.temporary()).read_bytes())

    def discard(self) -> None:
        """What is left is the test's."""

    def alive(self) -> None:
        """Nobody waits."""

    def save(self, data: bytes | memoryview, *, mtime_ns: int | None = None) -> int:
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
    spec, context = (
        YUV[0] if writer.yuv is not None else Spec(16, 24),
        Save(encoder, tmp_path / f"target.{template.format if template else ''}"),
    )
    pixels = waves(spec)
    writer.open()
    nbytes = writer.write(frame_of(pixels, spec), context) + writer.finish(Item(0, "a"), context)
    writer.close()
    assert nbytes == sum(map(len, context.saved))
    assert writer.encodes or writer.discards or nbytes
    assert (pixels == waves(spec)).all()
