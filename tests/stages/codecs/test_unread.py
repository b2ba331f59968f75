"""Files of formats that no codec reads are named, with what can be done."""

from __future__ import annotations

import pytest

from pipeline.errors import MissingCodec
from pipeline.plan.model import Plan, StagePlan
from pipeline.worker.loading import Loading
from stages.codecs.unread import named

PLAN = Plan(
    "a.yaml", (), codecs=(StagePlan("unread", "stages.codecs.unread:Unread"), StagePlan("pnm", "stages.codecs.pnm:Pnm"))
)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1hvt1", "HEIF picture of another coding than HEVC and AV1"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw file (CR3)"),
        (b"FUJIFILMCCD-RAW 0201FF129502X-T3", "camera raw file (RAF)"),
        (b"\0\0\0\x1cftypisom\0\0\2\0isomiso2", "video (MP4 or QuickTime)"),
        (b"P7\nWIDTH 2\n", "PAM picture"),
        (b"8BPS\0\2", "large Photoshop document (PSB)"),
        (b"%PDF-1.7", "PDF document"),
        (b"\n <!DOCTYPE html><html lang=", "web page"),
        (b"version https://git-lfs.github.c", "Git LFS pointer"),
    ],
)
def test_what_people_have_among_their_pictures_is_named(head: bytes, name: str) -> None:
    """The reason says what it is and ends in a remedy, instead of "unknown format"."""
    assert named(head)[0] == name
    with pytest.raises(MissingCodec, match=r"^is an? .*, which is not read; known are .*; \w+"):
        Loading(PLAN, lambda spec, _: spec).full(memoryview(head))


def test_what_is_not_known_is_shown_by_its_first_bytes() -> None:
    """Random bytes and text are no format."""
    for head in (bytes(32), b"These are the notes of the trip,", b"\x89PNX\r\n"):
        assert named(head) == ("", "")
    with pytest.raises(MissingCodec, match="begins with 89 50 4e 58 0d 0a"):
        Loading(PLAN, lambda spec, _: spec).full(memoryview(b"\x89PNX\r\n"))
