"""Verification of a film that was written: it finds what is missing, moved or tagged wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from films import job, reasons
from harness import counts, tree

pytestmark = pytest.mark.slow


def packets(path: Path) -> list[tuple[Any, ...]]:
    """All packets of a file, as one value; the muxer's own headers hold random numbers."""
    with av.open(str(path)) as container:
        return [tuple((p.stream_index, p.pts, p.dts, bytes(p)) for p in container.demux() if p.size)]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("frame", "59 frames for 60"),
        ("time", "time stamps differ"),
        ("sound", "packets of audio"),
        ("tags", "colour matrix"),
    ],
)
def test_verification_finds_what_is_wrong(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    """A muxer that drops a frame, moves one, drops a packet of sound; other tags."""
    from stages.media.ffmpeg import muxing
    from stages.media.ffmpeg.copies import Copies

    real_mux, real_copy, real_tags = muxing.Muxing._mux, Copies._mux, muxing.tags_of
    count = [0]

    def mux(self: Any, packets: list[Any]) -> None:
        for packet in packets:
            count[0] += 1
            if what == "frame" and count[0] == 30:
                continue
            if what == "time" and count[0] == 60:
                packet.pts += 100
            real_mux(self, [packet])

    def copy(self: Any, at: Any, packet: Any) -> None:
        if what == "sound" and packet.pts and packet.pts > 40000 and not count[0]:
            count[0] = 1
            self.tracks[packet.stream.index].packets += 1
            return
        real_copy(self, at, packet)

    if what in ("frame", "time"):
        monkeypatch.setattr(muxing.Muxing, "_mux", mux)
    elif what == "sound":
        monkeypatch.setattr(Copies, "_mux", copy)
    else:
        monkeypatch.setattr(muxing, "tags_of", lambda spec: real_tags(spec)._replace(matrix=6))
    report = job(tmp_path, gallery / "walk.mp4", in_process=True)
    assert counts(report) == {"failed": 1}
    assert said in reasons(report)
    assert not tree(tmp_path / "out")
