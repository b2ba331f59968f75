"""Which shard is asked for: by number, by an array of Slurm, by an indexed job of Kubernetes."""

from __future__ import annotations

import pytest

from pipeline import UsageError
from pipeline.cluster.shard_address import shard_of
from pipeline.plan.shard import Shard

ARRAY = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_STEP": "2",
    "SLURM_ARRAY_TASK_COUNT": "8",
}  # fmt: skip
INDEXED = {"JOB_COMPLETION_INDEX": "0"}
NAMES = 100_000


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("1/1", {}, (1, 1)),
        ("3/16", {}, (3, 16)),
        ("3/16", ARRAY | INDEXED, (3, 16)),  # nothing is read unasked
        ("auto", ARRAY, (4, 8)),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_ID": "0"}, (1, 8)),
        ("auto/16", INDEXED, (1, 16)),
        ("auto/16", {"JOB_COMPLETION_INDEX": "15"}, (16, 16)),
    ],
)
def test_a_shard(text: str, environment: dict[str, str], shard: tuple[int, int]) -> None:
    """Counted from 1."""
    assert shard_of(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("0/3", {}, "want K/N with 1 <= K <= N"),
        ("4/3", {}, "want K/N"),
        ("3", {}, "want K/N"),
        ("-1/3", {}, "want K/N"),
        ("1/0", {}, "want K/N"),
        ("1/100000", {}, "at most 99,999"),
        ("auto", {}, "SLURM_ARRAY_TASK_ID"),
        ("auto", INDEXED, "--shard auto/N"),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "8"}, "not a range"),  # --array=1,3,8
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "17"}, "not a range"),
        ("auto/4", {}, "JOB_COMPLETION_INDEX is not set"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "4"}, "names no shard"),
    ],
)
def test_no_shard(text: str, environment: dict[str, str], words: str) -> None:
    """The reason and the remedy in one line."""
    with pytest.raises(UsageError, match=words):
        shard_of(text, environment)


def test_names_are_shared_out_evenly() -> None:
    """Each name belongs to one of 16 shards, and the largest has at most 5 % more than its share of 100,000."""
    shards = [Shard(number, 16) for number in range(1, 17)]
    held = [0] * 16
    for number in range(NAMES):
        name = f"{number % 97:02d}/photo-{number:06d}.jpg"
        [owner] = [shard.number for shard in shards if shard.holds(name)]
        held[owner - 1] += 1
    assert sum(held) == NAMES
    assert max(held) <= NAMES / 16 * 1.05


def test_names_that_a_disk_takes_for_one_meet_in_one_shard() -> None:
    """Letters of either case, accents in either spelling; bytes that are no text belong somewhere too."""
    pairs = [(f"Bild-{number}-\u00e9.JPG", f"bild-{number}-e\u0301.jpg") for number in range(200)]
    for one, other in pairs:
        assert Shard(1, 2).holds(one) == Shard(1, 2).holds(other)
    assert Shard(1, 2).holds("\udcff.jpg") != Shard(2, 2).holds("\udcff.jpg")
