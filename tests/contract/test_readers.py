"""What every reader must keep to; a new one is tested unasked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from components import make, of_kind
from pictures import guarded, intact

from pipeline import Codec, Item, Limits, Part, ReadContext, Reader, Spec


class Context:
    """A ReadContext of a few lines: what the engine does, without limits and push-down."""

    limits = Limits()

    def remark(self, text: str) -> None:
        assert "\n" not in text

    def alive(self) -> None:
        """Nobody waits."""

    def took(self, nbytes: int) -> None:
        assert nbytes > 0

    def check(self, spec: Spec) -> None:
        assert spec.height * spec.width <= self.limits.pixels

    def bytes_of(self, item: Item, load: Callable[[Item, ReadContext], memoryview]) -> memoryview:
        return load(item, self)  # type: ignore[arg-type]

    def load(self, path: str) -> memoryview:
        return memoryview(Path(path).read_bytes())

    def load_from(self, nbytes: int, read_into: Callable[[memoryview], int]) -> memoryview:
        data = memoryview(bytearray(nbytes))
        assert read_into(data) == nbytes
        return data

    def picture(self, data: memoryview, *, salvage: bool = False, previews: bool = False) -> Part:
        codec = next(codec for codec in map(make, of_kind(Codec)) if codec.matches(bytes(data[:32])))
        header = codec.header(data)
        return Part(header.spec, lambda out: codec.decode(data, header.spec, out), header.metadata)


@pytest.mark.parametrize("cls", of_kind(Reader), ids=lambda cls: cls.__name__)
class TestEveryReader:
    def test_discovers_in_order_and_counts_alike(self, cls: type[Reader], tmp_path: Path) -> None:
        """Numbers run from 0, two runs find the same, `count` adds up, and a name goes with each item."""
        reader: Reader = make(cls, tmp_path)
        items = list(reader.discover())
        assert items
        assert [item.number for item in items] == list(range(len(items)))
        assert list(make(cls, tmp_path).discover()) == items
        assert sum(reader.count()) in (0, len(items))
        assert all(item.name and "/" not in item.name and not item.dir.startswith("/") for item in items)

    def test_is_lazy(self, cls: type[Reader], tmp_path: Path) -> None:
        """`discover` and `count` are iterators: nothing is looked at before the first item is asked for."""
        reader: Reader = make(cls, tmp_path)
        assert iter(reader.discover()) is not reader.discover()
        assert next(iter(reader.discover())).number == 0

    def test_fills_what_it_announces(self, cls: type[Reader], tmp_path: Path) -> None:
        """Each part writes its own memory only, and the fixed Spec, where there is one, is every part's."""
        reader: Reader = make(cls, tmp_path)
        for item in itertools.islice(reader.discover(), 20):
            for part in reader.read(item, Context()):
                assert part.spec == (reader.fixed_spec() or part.spec)
                out, buffer = guarded(part.spec)
                part.fill(out)
                assert intact(buffer)
        reader.close()

    def test_holds_the_files_it_finds(self, cls: type[Reader], tmp_path: Path) -> None:
        """No output may be written over a file that was discovered; another path is not held."""
        reader: Reader = make(cls, tmp_path)
        for item in reader.discover():
            if Path(item.source).is_file():
                assert reader.holds(str(Path(item.source).resolve()), str(tmp_path / "out"))
        assert not reader.holds(str(tmp_path / "out/x.jpg"), str(tmp_path / "out"))
