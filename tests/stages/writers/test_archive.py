"""Which members go into which archive, and what an archive is: pure, without a run."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import PackedMember, UsageError, WrittenArchive
from stages.writers.archive import ArchiveFiles


def member(name: str, nbytes: int = 10, archive: str = "out/s-{shard}.tar", **columns: str) -> PackedMember:
    return PackedMember(name, archive, nbytes, 0, tuple(columns.items()), 0)


def packed(writer: ArchiveFiles, members: dict[str, bytes], **columns: str) -> bytes:
    """One archive of these members."""
    file = io.BytesIO()
    contents = [
        content
        for name, data in members.items()
        for content in writer.contents(
            PackedMember(name, "", len(data), zlib.crc32(data), tuple(columns.items()), 0), data
        )
    ]
    starts = list(writer.pack(iter(contents), file))
    data = file.getvalue()
    assert all(data[at : at + len(each.data)] == each.data for at, each in zip(starts, contents, strict=True))
    return data


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5000)), max_size=60),
    st.integers(1, 9),
    st.integers(1, 60_000),
)
def test_shards_hold_everything_in_order_within_their_bounds(
    rows: list[tuple[int, int]], count: int, size: int
) -> None:
    """Nothing lost, nothing twice; count and size kept, but for one member that is larger by itself."""
    writer = ArchiveFiles("out/s-{shard}.tar", max_count=count, max_size=size)  # type: ignore[arg-type]
    members = [member(f"{number}-{name}.jpg", nbytes) for number, (name, nbytes) in enumerate(rows)]
    shards = list(writer.cut(members))
    assert [one for _, found in shards for one in found] == members
    assert [path for path, _ in shards] == [f"out/s-{number:06d}.tar" for number in range(len(shards))]
    for _, found in shards:
        assert len(found) <= count
        data = packed(writer, {one.name: bytes(one.nbytes) for one in found})
        assert len(data) <= size + 10_240 or len(found) == 1


def test_names_of_samples_have_one_dot() -> None:
    """WebDataset splits at the first; two that become one sample come into two shards."""
    writer = ArchiveFiles("s-{shard}.tar")
    names = ["a/x.y.jpg", "a/x_y.jpg", "a/z.jpg"]
    shards = list(writer.cut([member(name, archive="s-{shard}.tar") for name in names]))
    assert [[one.name for one in found] for _, found in shards] == [["a/x.y.jpg"], ["a/x_y.jpg", "a/z.jpg"]]
    assert [content.name for content in writer.contents(shards[0][1][0], b"")] == ["a/x_y.jpg"]
    plain = ArchiveFiles("s.zip")
    assert [content.name for content in plain.contents(member("a/x.y.jpg"), b"")] == ["a/x.y.jpg"]


def test_a_field_of_the_path_makes_an_archive_for_each_value() -> None:
    """Numbers of shards are their own."""
    writer = ArchiveFiles("{columns.split}-{shard}.tar", max_count=2)
    splits = ["train", "val", "train", "train", "val"]
    members = [member(f"{n}.jpg", archive=f"{split}-{{shard}}.tar") for n, split in enumerate(splits)]
    found = {path: [one.name for one in some] for path, some in writer.cut(members)}
    assert found == {
        "train-000000.tar": ["0.jpg", "2.jpg"], "train-000001.tar": ["3.jpg"], "val-000000.tar": ["1.jpg", "4.jpg"],
    }  # fmt: skip


def test_texts_stand_beside_the_picture() -> None:
    """A column by its ending, all of them as JSON; none where the item has no such column."""
    writer = ArchiveFiles("s-{shard}.tar", texts={"cls": "label", "json": "*", "txt": "caption"})
    data = packed(writer, {"a/b.jpg": b"picture"}, label="7", split="träin")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        told = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    assert told == {"a/b.jpg": b"picture", "a/b.cls": b"7", "a/b.json": '{"label": "7", "split": "träin"}'.encode()}


def test_texts_of_names_with_dots_and_odd_words() -> None:
    """Outside of shards names stay as they are, and so do those of their texts; half a surrogate pair stops nothing."""
    writer = ArchiveFiles("one.zip", texts={"txt": "caption"})
    names = [
        content.name
        for name in ("IMG.1.jpg", "IMG.2.jpg")
        for content in writer.contents(member(name, caption="x\ud83d"), b"")
    ]
    assert names == ["IMG.1.jpg", "IMG.1.txt", "IMG.2.jpg", "IMG.2.txt"]


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\\"), min_size=1, max_size=120)


@given(st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=2000), max_size=8))
@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_other_programs_read_what_is_written(ending: str, members: dict[str, bytes]) -> None:
    """`tarfile` and `zipfile` give back names and bytes; the same members give the same bytes."""
    writer = ArchiveFiles(f"one.{ending}")
    data = packed(writer, members)
    assert data == packed(writer, members)
    if ending == "tar":
        assert len(data) % 10_240 == 0
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            told = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
        assert told == {name.rstrip("/"): content for name, content in members.items()}
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            assert zipped.testzip() is None
            assert {info.filename: zipped.read(info) for info in zipped.infolist()} == members


def test_the_index_says_what_shards_hold() -> None:
    """One for all shards of a name; none beside a single archive or zips."""
    written = [
        WrittenArchive("out/a-000000.tar", 10_240, 3, "out/a-{shard}.tar"),
        WrittenArchive("out/val-000000.tar", 20_480, 5, "out/val-{shard}.tar"),
    ]
    found = dict(ArchiveFiles("out/a-{shard}.tar").index(written))
    assert sorted(found) == ["out/a-index.json", "out/val-index.json"]
    told: dict[str, Any] = json.loads(found["out/a-index.json"])
    assert told["shardlist"] == [{"url": "a-000000.tar", "nsamples": 3, "filesize": 10_240}]
    assert told["__kind__"] == "wids-shard-index-v1"
    for other in (ArchiveFiles("out/a.tar"), ArchiveFiles("a-{shard}.zip"), ArchiveFiles("a-{shard}.tar", wids=False)):
        assert not list(other.index(written))


@pytest.mark.parametrize(
    "wrong",
    [{"path": "out/shards"}, {"path": "a.tar", "texts": {"j/s": "*"}}, {"path": "a.tar", "texts": {"jpg": "label"}}],
)
def test_what_cannot_be_an_archive_is_refused(wrong: dict[str, Any]) -> None:
    """Before anything starts."""
    with pytest.raises(UsageError):
        ArchiveFiles(**wrong)
