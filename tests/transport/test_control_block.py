"""A worker's control block: texts go both ways, and what a dead worker did can be read."""

from __future__ import annotations

import os

import pytest

from pipeline.contracts.frame import Item
from pipeline.transport.control_block import MAX_TEXT_NBYTES, Control, control_nbytes, encode_job

CREDIT = 3


@pytest.fixture
def sides() -> tuple[Control, Control]:
    """Parent and worker, with another block before and behind theirs."""
    size = control_nbytes(CREDIT)
    memory = bytearray(b"\xaa" * 3 * size)
    return Control(memory, size, CREDIT), Control(memory, size, CREDIT)


def test_blocks_are_aligned() -> None:
    """Sizes are multiples of 64, and grow with the credit."""
    sizes = [control_nbytes(credit) for credit in range(1, 9)]
    assert all(size % 64 == 0 for size in sizes)
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", ["a.jpg", "caf\udce9.jpg", "\u65e5\u672c.png", "new\nline", "\x1b[31m", "x" * 255, ""])
def test_a_job_comes_through_as_it_is(sides: tuple[Control, Control], name: str) -> None:
    """Path, folder, name and target of any bytes; each lease has its own slot."""
    parent, worker = sides
    parent.clear()
    for slot in range(CREDIT):
        item = Item(slot + (1 << 40), f"/in/{slot}/{name}", f"{slot}", name)
        parent.put_job(slot, item.number, encode_job(item, f"out/{slot}/{name}"))
    for slot in range(CREDIT):
        item = Item(slot + (1 << 40), f"/in/{slot}/{name}", f"{slot}", name)
        assert worker.job(slot) == (item, f"out/{slot}/{name}")


def test_the_longest_paths_fit_and_longer_ones_are_refused() -> None:
    """What a file system takes is taken; the refusal is a ValueError that fails the item."""
    path = "/x" * 2047
    assert len(encode_job(Item(0, path, path[:-4], "n" * 255), path)) <= MAX_TEXT_NBYTES
    for item in (Item(0, "x" * MAX_TEXT_NBYTES), Item(0, "half a pair \ud800")):
        with pytest.raises(ValueError, match=r"name of|surrogate"):
            encode_job(item, "")


@pytest.mark.parametrize("text", ["too dark", "caf\udce9", "a\nb", "", "half a pair \ud800", "\u65e5" * 9000])
def test_an_answer_in_words(sides: tuple[Control, Control], text: str) -> None:
    """Any text arrives, cut where it is too long; a NUL in it separates nothing."""
    parent, worker = sides
    worker.put_text(1, "stage", text, "a\0b")
    stage, said, *_ = parent.text(1)
    assert stage == "stage"
    if len(text) < 100 and "\ud800" not in text:
        assert said == text
        assert parent.text(1)[2] == "a b"
    else:
        assert said[:5] == text[:5]


def test_what_a_worker_was_doing(sides: tuple[Control, Control]) -> None:
    """Lease and stage are there after the worker is gone, until the place is cleared for the next one."""
    parent, worker = sides
    parent.clear()
    assert parent.running() == (0, 0)
    worker.run(77, 2)
    assert parent.running() == (77, 2)
    parent.clear()
    assert parent.running() == (0, 0)


def test_the_temporary_file_of_a_worker(sides: tuple[Control, Control]) -> None:
    """Its name is there while it exists; one that is too long is not told in part."""
    parent, worker = sides
    parent.clear()
    assert parent.temporary() == ""
    for name in ("out/.a.jpg.pl-1.tmp", os.fsdecode(b"out/.caf\xe9.tmp")):
        worker.note_temporary(name)
        assert parent.temporary() == name
    worker.note_temporary("")
    assert parent.temporary() == ""
    worker.note_temporary("x" * 9000)
    assert parent.temporary() == ""


def test_nothing_is_written_beside_the_block() -> None:
    """Neighbouring blocks keep their bytes whatever is written."""
    size = control_nbytes(CREDIT)
    memory = bytearray(b"\xaa" * 3 * size)
    control = Control(memory, size, CREDIT)
    control.clear()
    control.run(1 << 31, 9)
    control.note_temporary("t" * 4096)
    for slot in range(CREDIT):
        control.put_text(slot, "x" * 100_000)
    assert memory[:size] == memory[2 * size :] == b"\xaa" * size
