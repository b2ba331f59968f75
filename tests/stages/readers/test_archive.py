"""The reader `archive`: members are what they would be if they had been unpacked, and no archive does harm."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from archive_files import PICTURES, all_kinds, info, pictures, png, tar_bytes, written, zip_bytes
from harness import cli, counts, plan_of, tree

from pipeline import UsageError
from pipeline.journal import Options
from pipeline.plan.model import Plan
from pipeline.supervisor import execution, serial
from pipeline.supervisor.report import Report
from stages.readers.archive import HIDDEN, TWICE, Archive

KEPT = Options()
KINDS = sorted(all_kinds({}))
NULL = {"use": "null"}


def told(reader: Archive) -> dict[str, str]:
    """Paths below the root, and why they are not read; "" for those that are."""
    return {item.below: item.skip or item.fails for item in reader.discover()}


def done(folder: Path, path: Path, out: str = "out", **keys: object) -> tuple[Plan, Report]:
    plan = plan_of(
        folder,
        {"use": "archive", "path": str(path), **keys},
        [],
        {"use": "files", "path": f"{folder}/{out}/{{dir}}/{{stem}}.png"},
    )
    return plan, execution.run(plan)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_gives_what_the_folder_gives(tmp_path: Path, kind: str) -> None:
    """Every kind of archive, by workers and in this process: the same outputs, byte for byte, as of the files."""
    members = pictures()
    for name, data in members.items():
        written(tmp_path / "in", name, data)
    path = written(tmp_path, kind, all_kinds(members)[kind])
    folder = plan_of(
        tmp_path,
        {"use": "folder", "path": str(tmp_path / "in")},
        [],
        {"use": "files", "path": f"{tmp_path}/f/{{dir}}/{{stem}}.png"},
    )
    assert counts(serial.run(folder)) == {"done": 3}
    _, report = done(tmp_path, path)
    assert counts(report) == {"done": 3}
    assert tree(tmp_path / "out") == tree(tmp_path / "f")
    done_again = plan_of(
        tmp_path,
        {"use": "archive", "path": str(path)},
        [],
        {"use": "files", "path": f"{tmp_path}/s/{{dir}}/{{stem}}.png"},
    )
    assert counts(serial.run(done_again)) == {"done": 3}
    assert tree(tmp_path / "s") == tree(tmp_path / "f")


@pytest.mark.parametrize("kind", KINDS)
def test_count_says_how_many_there_are(tmp_path: Path, kind: str) -> None:
    """Compressed tars, which would have to be unpacked for it, say nothing."""
    reader = Archive(str(written(tmp_path, kind, all_kinds(pictures())[kind])))
    streamed = kind in ("p.tar.gz", "p.tgz", "p.tar.zst", "p.tar.bz2", "p.tar.xz")
    assert sum(reader.count()) == (0 if streamed else 3)


def test_several_archives_are_folders_side_by_side(tmp_path: Path) -> None:
    """Of a folder and of a pattern; each counts as a folder of its name."""
    for name in (
        "s/one.tar",
        "s/deep/two.tar.gz",
        "s/shard-000.tar",
        "s/shard-001.tar",
        "s/shard-002.tar",
        "s/note.txt",
    ):
        data = tar_bytes({"x/a.png": png()})
        written(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)
    found = told(Archive(str(tmp_path / "s")))
    assert found == dict.fromkeys(
        ("one/x/a.png", "shard-000/x/a.png", "shard-001/x/a.png", "shard-002/x/a.png", "deep/two/x/a.png"), ""
    )
    few = Archive(f"{tmp_path}/s/shard-{{000..001}}.tar")
    assert list(told(few)) == ["shard-000/x/a.png", "shard-001/x/a.png"]
    assert few.root == str(tmp_path / "s")
    keys = [few.key(item) for item in few.discover()]
    assert keys == ["shard-000.tar/x/a.png", "shard-001.tar/x/a.png"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Links, devices, hidden files and what is no picture are skipped; folders are not mentioned."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(info("sub", kind=tarfile.DIRTYPE))
        archive.addfile(info("sub/link.png", kind=tarfile.SYMTYPE, link="/etc/passwd"))
        archive.addfile(info("sub/hard.png", kind=tarfile.LNKTYPE, link="a.png"))
        archive.addfile(info("fifo.png", kind=tarfile.FIFOTYPE))
        for name, data in {".a.png": png(), "read.me": b"words", "notes.txt": b"words", "scan": png()}.items():
            archive.addfile(info(name, len(data)), io.BytesIO(data))
    path = written(tmp_path, "a.tar", file.getvalue())
    assert told(Archive(str(path))) == {
        "sub/link.png": "a symbolic link in the archive", "sub/hard.png": "a link to another member of the archive",
        "fifo.png": "a FIFO, not a regular file", ".a.png": HIDDEN, "read.me": "not a picture",
        "notes.txt": "not a picture", "scan": "",
    }  # fmt: skip
    assert told(Archive(str(path), include=["*.png"], exclude=["sub/*"], hidden=True)) == {
        "fifo.png": "a FIFO, not a regular file", ".a.png": "",
    }  # fmt: skip
    zipped = zipfile.ZipInfo("l.png")
    zipped.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(zipped, "/etc/passwd")
        made.writestr("__MACOSX/._a.png", png())
        made.writestr("dir/", "")
    assert told(Archive(str(tmp_path / "a.zip"))) == {
        "l.png": "a symbolic link in the archive",
        "__MACOSX/._a.png": HIDDEN,
    }


@pytest.mark.parametrize("name", ["../x.png", "/abs.png", "a/../../x.png", "C:/x.png"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_member_that_leads_out_fails(tmp_path: Path, name: str, kind: str) -> None:
    """Nothing is written outside, and the others are done."""
    members = {name: png(), "good.png": png(1)}
    path = written(tmp_path, f"a.{kind}", tar_bytes(members) if kind == "tar" else zip_bytes(members))
    _, report = done(tmp_path, path, "out/deep")
    assert counts(report) == {"done": 1, "failed": 1}
    assert "leads out of the archive" in report.failures[0].reason
    assert list(tree(tmp_path / "out")) == ["deep/good.png"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_second_member_of_a_name_fails(tmp_path: Path, kind: str) -> None:
    """The first is read, whatever the template."""
    path = tmp_path / f"a.{kind}"
    if kind == "tar":
        with tarfile.open(path, "w") as archive:
            for seed in (0, 1):
                archive.addfile(info("a.png", len(png(seed))), io.BytesIO(png(seed)))
    else:
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("a.png", png())
            made.writestr("a.png", png(1))
    reasons = [item.fails for item in Archive(str(path)).discover()]
    assert reasons == ["", TWICE]


def test_an_encrypted_member_fails(tmp_path: Path) -> None:
    """By its flag, with the remedy; the others are done."""
    data = bytearray(zip_bytes({"a.png": png(), "b.png": png(1)}))
    central = data.index(b"PK\1\2")
    data[central + 8] |= 1
    _, report = done(tmp_path, written(tmp_path, "a.zip", bytes(data)))
    assert counts(report) == {"done": 1, "failed": 1}
    assert "password" in report.failures[0].reason


def test_a_method_that_is_not_read_is_named(tmp_path: Path) -> None:
    """Not taken for stored bytes."""
    path = written(tmp_path, "a.zip", zip_bytes({"a.png": png()}, zipfile.ZIP_LZMA))
    assert told(Archive(str(path))) == {"a.png": "is compressed by LZMA, which is not read; unpack the archive first"}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_cut_archive_what_was_whole_is_done(tmp_path: Path, kind: str) -> None:
    """Cut at each twentieth: no member is done with other bytes, the archive itself fails, no run dies."""
    members = pictures(tuple(f"{number}.png" for number in range(5)))
    whole = all_kinds(members)[kind]
    reader = Archive(str(tmp_path / kind))
    most = 0
    for cut in range(1, 20):
        written(tmp_path, kind, whole[: len(whole) * cut // 20])
        items = list(reader.discover())
        good = [item for item in items if not item.fails]
        assert items[-1].fails or len(good) == len(members), cut  # else nothing but its padding was cut off
        assert [item.name for item in good] == list(members)[: len(good)]
        for item in good[:-1] if kind not in ("p.tar", "p.cbt", "pax.tar", "p.zip", "p.cbz", "streamed.zip") else good:
            with reader.open_source(item) as file:
                assert file.read() == members[item.name]
        most = max(most, len(good))
    blocks = ("sfx.zip", "p.tar.bz2", "p.tar.zst")  # small ones are one block: all or nothing
    assert most >= (3 if kind not in blocks else 0)


def test_a_cut_archive_in_a_run(tmp_path: Path) -> None:
    """Exit 1; the failure says how far it came."""
    data = tar_bytes(pictures())
    _, report = done(tmp_path, written(tmp_path, "a.tar", data[:3000]))
    assert counts(report) == {"done": 1, "failed": 1}
    assert report.failures[0].item == str(tmp_path / "a.tar")
    assert report.failures[0].reason == "it is cut within its member 'sub/b.png'; its members before that are read"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    """As GNU and pax write them, and as ustar splits them; and names that are not ASCII."""
    names = ("d" * 90 + "/" + "f" * 60 + ".png", "a.png")
    if form != tarfile.USTAR_FORMAT:
        names += ("x" * 200 + "/" + "y" * 200 + ".png", "Straße/日本.png")
    path = written(tmp_path, "a.tar", tar_bytes(pictures(names), form))
    assert told(Archive(str(path))) == dict.fromkeys(names, "")


def test_names_of_zips(tmp_path: Path) -> None:
    """UTF-8 with and without its flag, code page 437, and backslashes of old programs."""
    data = zip_bytes({"xx.png": png(), "Straße.png": png(1), "b\\c.png": png(2)})
    data = data.replace(b"xx.png", "é.png".encode()).replace(b"Stra\xc3\x9fe", b"Stra\xc3\x9fe")
    assert list(told(Archive(str(written(tmp_path, "a.zip", data))))) == ["é.png", "Straße.png", "b/c.png"]
    old = zip_bytes({"x.png": png()}).replace(b"x.png", b"\x81.png")
    assert list(told(Archive(str(written(tmp_path, "b.zip", old))))) == ["ü.png"]


def test_a_zip64_is_read(tmp_path: Path) -> None:
    """Numbers in the extra field, as of archives beyond 4 GiB and 65,535 members."""
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w") as made,
        made.open(zipfile.ZipInfo("a.png"), "w", force_zip64=True) as file,
    ):
        file.write(png())
    data = bytearray((tmp_path / "a.zip").read_bytes())
    central, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    packed, nbytes = struct.unpack_from("<2I", data, central + 20)
    extra = struct.pack("<2H2Q", 1, 16, nbytes, packed)
    struct.pack_into("<2I", data, central + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    name, old = struct.unpack_from("<2H", data, central + 28)
    struct.pack_into("<H", data, central + 30, len(extra))
    entry = bytes(data[central : central + 46 + name]) + extra
    assert not old
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), central)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, central + len(entry), 1)
    last = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert end > central
    path = written(tmp_path, "b.zip", bytes(data[:central]) + entry + end64 + locator + last)
    reader = Archive(str(path))
    (item,) = reader.discover()
    with reader.open_source(item) as file:
        assert file.read() == png()


def test_a_zip64_that_need_not_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `zipfile` writes zips from 2 GiB on: both ends of the directory tell their numbers."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1500)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    for data in (zip_bytes(pictures()), b"#!/bin/sh\n" + zip_bytes(pictures())):
        reader = Archive(str(written(tmp_path, "a.zip", data)))
        assert told(reader) == dict.fromkeys(PICTURES, "")
        for item in reader.discover():
            with reader.open_source(item) as file:
                assert file.read() == pictures()[item.below]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A member that is larger than its header says, one beyond the limit, and members that overlap."""
    big = bytes(50_000_000)
    data = bytearray(zip_bytes({"a.png": big}, zipfile.ZIP_DEFLATED))
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(mark) + offset, 1000)
    liar = written(tmp_path, "liar.zip", bytes(data))
    _, report = done(tmp_path, liar)
    assert report.failures[0].reason == "unpacks to more than the 1,000 bytes that its archive says"
    plain = written(tmp_path, "plain.zip", zip_bytes({"a.png": big}, zipfile.ZIP_DEFLATED))
    plan = plan_of(tmp_path, {"use": "archive", "path": str(plain)}, [], NULL, limits={"file_size": "1MB"})
    assert "is 50.0 MB large" in execution.run(plan).failures[0].reason
    twice = bytearray(zip_bytes({"a.png": png(), "b.png": png(1)}))
    second = twice.index(b"PK\1\2", twice.index(b"PK\1\2") + 4)
    struct.pack_into("<I", twice, second + 42, 0)
    assert set(told(Archive(str(written(tmp_path, "over.zip", bytes(twice))))).values()) == {"overlaps another member"}


def test_a_compressed_bomb_ends_the_archive(tmp_path: Path) -> None:
    """A tar.gz that unpacks to gigabytes of nothing is given up, and what stood before is done."""
    file = io.BytesIO()
    with gzip.open(file, "wb", 9) as packed:
        packed.write(tar_bytes({"a.png": png()}).rstrip(b"\0").ljust(2048, b"\0"))
        packed.write(info("huge.bin", 2 << 30).tobuf())
        for _ in range(1200):
            packed.write(bytes(1 << 20))
    found = list(Archive(str(written(tmp_path, "a.tar.gz", file.getvalue()))).discover())
    assert found[-1].fails.startswith("it unpacks to more than 250 times its size")


@pytest.mark.parametrize(
    "data", [b"", b"words" * 500, b"PK\3\4", b"\x1f\x8bnonsense", b"\x28\xb5\x2f\xfdxx", bytes(512)]
)
@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_what_is_no_archive_fails_with_the_reason(tmp_path: Path, data: bytes, name: str) -> None:
    """As one item, named after the file."""
    items = list(Archive(str(written(tmp_path, name, data))).discover())
    if data == bytes(512) and name == "a.tar":
        assert not items  # half an end of an empty tar
        return
    assert [item.name for item in items] == [name]
    assert items[0].fails


def test_a_header_that_claims_a_huge_name_is_refused(tmp_path: Path) -> None:
    """Nothing of that size is read into memory."""
    header = info("@LongLink", 6 << 30, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    items = list(
        Archive(str(written(tmp_path, "a.tar", tar_bytes({"a.png": png()})[:-9216][:2048] + header * 2))).discover()
    )
    assert items[-1].fails


def hostile() -> dict[str, bytes]:
    """Headers that held up a parser for ever, or had it take all memory; each is a whole file."""
    good = tar_bytes({"a.png": png()})[:2048]
    negative = bytearray(info("n.png", 0).tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"-0000001000\0"
    base256 = bytearray(info("n.png", 0).tobuf(tarfile.GNU_FORMAT))
    base256[124:136] = (256**12 - 512).to_bytes(12, "big")
    for header in (negative, base256):
        header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)

    def pax(body: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
        head = info("p", len(body), kind).tobuf(tarfile.USTAR_FORMAT)
        return head + body + bytes(-len(body) % 512) + info("q.png", 512).tobuf() + bytes(1536)

    sparse = bytearray(info("s.png", 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    sparse[482] = 1
    sparse[148:156] = b"%06o\0 " % (sum(sparse) - sum(sparse[148:156]) + 256)
    more = bytes(504) + b"\1" + bytes(7)
    return {
        "negative.tar": good + bytes(negative) + bytes(1024), "base256.tar": good + bytes(base256) + bytes(1024),
        "overlapping.tar": good + pax(b"2 " * 500_000 + b"=x\n"), "size.tar": good + pax(b"13 size=-512\n"),
        "infinite.tar": good + pax(b"13 mtime=inf\n"), "of_all.tar": good + pax(b"13 size=-512\n", tarfile.XGLTYPE),
        "map.tar": good + bytes(sparse) + more * 3000, "map_cut.tar": good + bytes(sparse) + more[:100],
    }  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", sorted(hostile()))
def test_headers_that_would_hold_up_a_parser(tmp_path: Path, name: str) -> None:
    """What stood before is given, the rest is one failure; soon, and without taking memory."""
    items = list(Archive(str(written(tmp_path, name, hostile()[name]))).discover())
    assert items[0].name == "a.png"
    assert not items[0].fails
    assert len(items) <= 3
    assert items[-1].fails or name == "infinite.tar"


def test_members_behind_odd_ones_are_found(tmp_path: Path) -> None:
    """Sparse files of GNU's forms and members of unknown kinds are skipped with their bytes."""
    odd = info("d", 700, b"D").tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    sparse = bytearray(info("s.png", 600, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    sparse[483:495] = b"00077777777\0"
    sparse[148:156] = b"%06o\0 " % (sum(sparse) - sum(sparse[148:156]) + 256)
    data = odd + bytes(sparse) + bytes(1024) + tar_bytes({"a.png": png()})
    assert told(Archive(str(written(tmp_path, "a.tar", data)), include=["*.png"])) == {
        "s.png": "a sparse file in the archive", "a.png": "",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_flipped_headers_end_soon(tmp_path: Path, seed: int) -> None:
    """Bytes changed at random, of every kind of archive: items or failures, no defect, no item without end."""
    random = Random(seed)
    for kind, data in all_kinds(pictures()).items():
        changed = bytearray(data)
        for _ in range(random.randint(1, 12)):
            changed[random.randrange(len(changed))] = random.choice((0, 255, 45, 49, random.randrange(256)))
        reader = Archive(str(written(tmp_path, kind, bytes(changed))))
        items = list(islice(reader.discover(), 100))
        assert len(items) < 100
        for item in items:
            if not item.skip and not item.fails:
                with suppress(OSError), reader.open_source(item) as file:
                    file.read()


def test_a_corrupt_text_fails_its_sample(tmp_path: Path) -> None:
    """And is not taken for an empty label."""
    data = bytearray(zip_bytes({"0.cls": b"label seven", "0.png": png(), "1.png": png(1)}))
    data[data.index(b"seven")] ^= 1
    items = list(Archive(str(written(tmp_path, "a.zip", bytes(data))), texts=["cls"]).discover())
    assert [bool(item.fails) for item in items] == [True, False]


def test_an_archive_that_changes_fails_its_members(tmp_path: Path) -> None:
    """Bytes of another archive are not taken for the member's."""
    path = written(tmp_path, "a.tar", tar_bytes(pictures()))
    reader = Archive(str(path))
    items = list(reader.discover())
    written(tmp_path, "a.tar", tar_bytes({"other.png": png(9, 200)}))
    with pytest.raises(OSError, match="was changed since"):
        reader.open_source(items[0])


def test_flipped_bits_in_a_zip_are_seen(tmp_path: Path) -> None:
    """By the checksum of the member."""
    data = bytearray(zip_bytes({"a.bmp": bytes(1000)}))
    data[data.index(b"a.bmp") + 500] ^= 4
    reader = Archive(str(written(tmp_path, "a.zip", bytes(data))))
    with pytest.raises(OSError, match="its checksum differs"):
        reader.open_source(next(iter(reader.discover())))


def test_texts_of_samples_become_columns(tmp_path: Path) -> None:
    """JSON by its keys, others by their ending; whatever their order, and only of their own sample."""
    members = {
        "s/0.cls": b"7\n", "s/0.png": png(), "s/0.json": b'{"label": "cat", "n": 2, "box": [1, 2]}',
        "s/1.png": png(1), "s/1.txt": b"two words", "s/2.json": b"{broken", "s/2.png": png(2),
    }  # fmt: skip
    for name, data in (("a.tar", tar_bytes(members)), ("a.tar.gz", gzip.compress(tar_bytes(members)))):
        items = list(Archive(str(written(tmp_path, name, data)), texts=["json", "cls", "txt"]).discover())
        assert [dict(item.columns) for item in items] == [
            {"cls": "7", "label": "cat", "n": "2", "box": "[1, 2]"}, {"txt": "two words"}, {},
        ]  # fmt: skip
        assert [bool(item.fails) for item in items] == [False, False, True]
        assert "'s/2.json' is not JSON" in items[2].fails


def test_a_second_run_does_what_changed(tmp_path: Path) -> None:
    """A zip that grew: its new member alone. A tar that was written anew: all. Nothing where nothing changed."""
    for name, pack, news in (("a.zip", zip_bytes, 1), ("a.tar", tar_bytes, 4)):
        members = pictures()
        path = written(tmp_path, name, pack(members))
        os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)
        home = tmp_path / name.replace(".", "")
        home.mkdir()
        plan = plan_of(
            home, {"use": "archive", "path": str(path)}, [], {"use": "files", "path": f"{home}/out/{{member}}.png"}
        )
        assert counts(execution.run(plan, keep=KEPT)) == {"done": 3}
        assert counts(execution.run(plan, keep=KEPT)) == {"up_to_date": 3}
        written(tmp_path, name, pack({**members, "new.png": png(8)}))
        expected = {"done": news, **({"up_to_date": 3} if news == 1 else {})}
        assert counts(execution.run(plan, keep=KEPT)) == expected


def test_probe_and_gone(tmp_path: Path) -> None:
    """What `probe` tells, and whether a member is there, for `--prune`."""
    path = written(tmp_path, "a.zip", zip_bytes({**pictures(), "notes.txt": b""}))
    told_of = Archive.probe(str(path))
    assert told_of is not None
    assert (told_of["members"], told_of["pictures"], told_of["warnings"]) == (4, 3, [])
    shown = cli("probe", str(path))
    assert "4 members, 3 pictures" in shown.stdout
    assert Archive.probe(str(tmp_path / "a.jpg")) is None
    reader = Archive(str(path))
    assert not reader.is_gone(f"{path}/a.png")
    assert reader.is_gone(f"{path}/other.png")
    assert reader.is_gone(f"{tmp_path}/none.zip/a.png")
    assert reader.holds(os.path.realpath(path))


def test_templates_know_archive_and_member(tmp_path: Path) -> None:
    """{archive} without its extensions, {member} with its own."""
    path = written(tmp_path, "set.tar.gz", gzip.compress(tar_bytes({"x/a.png": png()})))
    plan = plan_of(
        tmp_path,
        {"use": "archive", "path": str(path)},
        [],
        {"use": "files", "path": f"{tmp_path}/out/{{archive}}/{{member}}.png"},
    )
    assert counts(execution.run(plan)) == {"done": 1}
    assert list(tree(tmp_path / "out")) == ["set/x/a.png.png"]


def test_without_an_archive_nothing_starts(tmp_path: Path) -> None:
    """An empty folder, a pattern that names nothing."""
    with pytest.raises(UsageError, match="there is no archive in"):
        list(Archive(str(tmp_path)).discover())
    with pytest.raises(UsageError, match="there is no archive in"):
        list(Archive(str(tmp_path / "*.tar")).discover())
