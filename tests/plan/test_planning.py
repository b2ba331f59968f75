"""Config to Plan: worker counts, cores, edges, memory, the encoder; and what `plan` explains."""

from __future__ import annotations

import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config.key_types import Credit
from pipeline.config.keys import Edge
from pipeline.contracts.problem import ConfigError
from pipeline.plan import planning
from pipeline.plan.explain import explain
from pipeline.plan.machine import Machine, ranges
from pipeline.plan.model import Plan
from pipeline.plan.placement import LEAST_MEMORY
from pipeline.worker.loading import Loading


def explained(plan: Plan, loaded: Any, **more: Any) -> Any:
    """What `pipeline plan` is told."""
    with closing(Loading(plan, lambda spec, _: spec)) as files:
        return explain(plan, loaded, files, **more)


FOUR = Machine(cores=(0, 1, 2, 3), mask=(0, 1, 2, 3), memory_nbytes=8 << 30, shm_nbytes=16 << 30)
SYNTHETIC = "{use: synthetic, height: 100, width: 200, frames: 3}"
OWN = """\
from dataclasses import dataclass
from pipeline import Transform, Writer

@dataclass(frozen=True)
class Tiles(Transform):
    def expands(self, spec):
        return 16

    def expand(self, frame):
        yield from ()

@dataclass(frozen=True)
class Alone(Transform):
    max_workers = 2

@dataclass(frozen=True)
class Muxer(Writer):
    ordered = True
    max_workers = 1
"""


class Making:
    """Plans from short texts, in a folder that holds own stages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "own.py").write_text(OWN)

    def plan(
        self, transforms: str = "[]", *, reader: str = SYNTHETIC, writer: str = "{use: null}", more: str = "",
        machine: Machine = FOUR, overrides: tuple[str, ...] = (),
    ) -> Plan:  # fmt: skip
        return planning.build(self.load(transforms, reader, writer, more, overrides), allow_code=True, machine=machine)

    def load(
        self, transforms: str = "[]", reader: str = SYNTHETIC, writer: str = "{use: null}", more: str = "",
        overrides: tuple[str, ...] = (),
    ) -> config.Config:  # fmt: skip
        text = f"version: 1\nreader: {reader}\ntransforms: {transforms}\nwriter: {writer}\n{more}"
        path = self.folder / "c.yaml"
        path.write_text(text.replace("OWN", f"{self.folder}/own.py"))
        return config.load(str(path), overrides)

    def refused(self, *args: Any, **kwargs: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.plan(*args, **kwargs)
        return [str(problem).removeprefix(f"{self.folder}/c.yaml:") for problem in caught.value.problems]


@pytest.fixture
def making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Making:
    monkeypatch.chdir(tmp_path)
    return Making(tmp_path)


def group(stages: str, more: str = "", name: str = "t") -> str:
    return f"{{name: {name}, stages: [{stages}]{more}}}"


def test_auto_is_every_core_for_readers_and_half_for_writers(making: Making) -> None:
    """Reader and transforms get N workers, the writer N/2 and at least one; nobody is pinned."""
    plan = making.plan(f"[{group('identity')}]")
    assert [(g.name, g.workers, g.cores) for g in plan.groups] == [
        ("reader", 4, None),
        ("t", 4, None),
        ("writer", 2, None),
    ]
    one = Machine((0,), (0,), 1 << 30, 1 << 30)
    assert [g.workers for g in making.plan(machine=one).groups] == [1, 1]


def test_the_plan_names_first_and_last(making: Making) -> None:
    """Only the first group reads and only the last one writes; those between do neither."""
    plan = making.plan(f"[{group('identity')}, {group('identity, orient', name='u')}]")
    assert [(g.reads, g.writes) for g in plan.groups] == [
        (True, False), (False, False), (False, False), (False, True),
    ]  # fmt: skip
    assert [stage.label for g in plan.groups for stage in g.stages] == [
        "synthetic",
        "identity",
        "identity",
        "orient",
        "null",
    ]


def test_a_plan_is_plain_data(making: Making) -> None:
    """What workers are sent survives pickling, and is equal to itself."""
    plan = making.plan(f"[{group('identity, {resize: {width: 10}}')}]")
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert plan.groups[1].stages[1].params == {"width": 10}
    assert plan.groups[1].stages[1].ref == "stages.transforms.resize:Resize"


def test_cores_pin_a_group_and_give_auto_its_number(making: Making) -> None:
    """`cores: [1, 3]` with `workers: auto` is two workers on these cores."""
    plan = making.plan(
        f"[{group('identity', ', cores: [3, 1]')}, {group('identity', ', cores: 0-2, workers: 5', 'u')}]"
    )
    assert [(g.cores, g.workers) for g in plan.groups[1:3]] == [((1, 3), 2), ((0, 1, 2), 5)]


def test_a_quota_does_not_forbid_cores_of_the_mask(making: Making) -> None:
    """The quota says how many cores' worth of time there is, the mask says which."""
    machine = Machine((0,), (0, 1, 2, 3), 1 << 30, 1 << 30)
    plan = making.plan(f"[{group('identity', ', cores: [3]')}]", machine=machine)
    assert [(g.cores, g.workers) for g in plan.groups] == [(None, 1), ((3,), 1), (None, 1)]


def test_a_stage_may_bound_its_workers(making: Making) -> None:
    """`max_workers` caps auto and refuses more at the config's line."""
    assert making.plan(f"[{group('OWN:Alone')}]").groups[1].workers == 2
    [message] = making.refused(f"[{group('OWN:Alone', ', workers: 3')}]")
    assert message.endswith("workers is 3; Alone runs in at most 2")


def test_fused_the_whole_chain_is_one_group(making: Making) -> None:
    """`fuse: all` puts every stage into each worker."""
    plan = making.plan(f"[{group('identity')}, {group('resize: {width: 3}', name='u')}]", more="fuse: all\n")
    [only] = plan.groups
    assert [stage.label for stage in only.stages] == ["synthetic", "identity", "resize", "null"]
    assert (only.name, only.reads, only.writes, only.workers, plan.settings.fuse) == ("all", True, True, 4, "all")
    assert making.plan(more="fuse: all\n", overrides=("reader.workers=3",)).groups[0].workers == 3


def test_fuse_auto_is_none_for_now_and_says_so(making: Making) -> None:
    """Until there is a tuner, auto is a note and not a change."""
    plan = making.plan(more="fuse: auto\n")
    assert (plan.settings.fuse, len(plan.groups)) == ("auto", 2)
    assert plan.notes == (f"{making.folder}/c.yaml:5:7: fuse: auto is left to the tuner; until then it means none",)


def test_edges_keep_order_where_they_are_told_to(making: Making) -> None:
    """`queues.order` counts for every edge, a group's own `queue` for the one before it."""
    chain = f"[{group('identity')}, {group('identity', ', queue: {order: completed, depth: 3, credit: 4}', 'u')}]"
    plan = making.plan(chain, more="queues: {order: input, depth: 5}\n")
    assert [g.queue for g in plan.groups] == [
        Edge(5), Edge(5, "input"), Edge(3, credit=Credit(4, 4)), Edge(5, "input"),
    ]  # fmt: skip
    assert plan.in_order
    assert not making.plan(chain).in_order


def test_a_stream_reaches_its_writer_in_order(making: Making) -> None:
    """Streams: in order before the writer always, one frame at a reader, as many readers as writers."""
    plan = making.plan(f"[{group('identity')}]", reader="{use: synthetic, streams: 2, frames: 3}")
    assert plan.streams
    assert [(g.queue.in_order, g.queue.credit.first, g.workers) for g in plan.groups] == [
        (False, 1, 2), (False, 2, 4), (True, 2, 2),
    ]  # fmt: skip


def test_more_readers_than_writers_of_streams_are_noted(making: Making) -> None:
    """Each stream has its own writer, so further readers wait."""
    plan = making.plan(reader="{use: synthetic, streams: 2, workers: 3}", writer="{use: null, workers: 1}")
    assert [note.partition(": ")[2] for note in plan.notes] == [
        "3 readers and 1 writers: at most 1 streams are under way; each stream has its own writer"
    ]


def test_an_ordered_writer_gets_its_frames_in_order(making: Making) -> None:
    """A writer that declares `ordered` has an in-order edge, and its `max_workers` holds."""
    last = making.plan(writer="{use: OWN:Muxer}").groups[-1]
    assert (last.queue.in_order, last.workers) == (True, 1)


def test_an_expanding_group_is_fed_in_order_where_order_counts_later(making: Making) -> None:
    """One frame at a time at an expanding stage; the edge into it is in order when a later one is."""
    plan = making.plan(
        f"[{group('OWN:Tiles')}, {group('identity', name='u')}]", writer="{use: null, queue: {order: input}}"
    )
    tiles = plan.groups[1]
    assert (tiles.expands, tiles.queue) == (True, Edge(8, "input", Credit(1, 1)))
    assert not plan.groups[2].queue.in_order
    assert not making.plan(f"[{group('OWN:Tiles')}]").groups[1].queue.in_order


def test_an_expanding_stage_is_the_last_of_its_group(making: Making) -> None:
    """Its parts are announced one by one, so nothing can follow within the worker."""
    where = "Tiles makes several frames of one and identity follows in its group; it must be the last of its group"
    [message] = making.refused(f"[{group('OWN:Tiles, identity')}]")
    assert message.endswith(f"{where}; begin a new group with identity")
    [message] = making.refused(f"[{group('OWN:Tiles')}]", more="fuse: all\n")
    assert message.endswith("null follows in its group; it must be the last of its group; use fuse: none")


def test_expanded_frames_need_names_of_their_own(making: Making) -> None:
    """Tiles written to one name are refused; {index} makes them distinct."""
    chain = f"[{group('OWN:Tiles')}]"
    [message] = making.refused(chain, writer='{use: files, path: "o/{stem}.png"}')
    assert message.endswith(
        "Tiles makes several frames of an item, and some get the same name; add {index} to the path"
    )
    assert making.plan(chain, writer='{use: files, path: "o/{stem}-{index}.png"}').destination == "o/{stem}-{index}.png"


def test_the_encoder_takes_generic_settings_and_its_block(making: Making) -> None:
    """The writer's quality is the encoder's unless its block says otherwise."""
    plan = making.plan(writer='{use: files, path: "o/{stem}.JPG", quality: 70, jpeg: {subsampling: "444"}}')
    assert plan.encoder is not None
    assert (plan.encoder.label, plan.encoder.params) == ("jpeg", {"quality": 70, "subsampling": "444"})
    plan = making.plan(writer='{use: files, path: "o/{stem}.jpg", jpeg: {quality: 60}}')
    assert plan.encoder is not None
    assert plan.encoder.params == {"quality": 60}
    assert {codec.label for codec in plan.codecs} >= {"jpeg", "png"}
    assert all(codec.params == {} for codec in plan.codecs)


def test_settings_without_effect_are_noted(making: Making) -> None:
    """What does not apply to the chosen format is a note, what is wrong in it is still refused."""
    plan = making.plan(writer='{use: files, path: "o/{stem}.png", quality: 70, jpeg: {quality: 60}}')
    notes = [note.removeprefix(f"{making.folder}/c.yaml:") for note in plan.notes]
    assert notes == [
        "4:44: 'quality' has no effect: png has no such setting",
        "4:57: 'jpeg' has no effect: the outputs are png",
    ]
    [message] = making.refused(writer='{use: files, path: "o/{stem}.png", jpeg: {quality: 600}}')
    assert message == "4:60: quality is 600; wants a whole number from 1 to 100"


def test_text_parameters_take_the_command_line_as_it_is(making: Making) -> None:
    """`--set writer.path={stem}.png` is text, though YAML would read a mapping; a number for text stays text."""
    plan = making.plan(
        writer="{use: files, path: x.png}", overrides=("writer.path={stem}.jpg", "writer.jpeg.subsampling=444")
    )
    assert plan.destination == "{stem}.jpg"
    assert plan.encoder is not None
    assert plan.encoder.params == {"quality": 85, "subsampling": "444"}


@pytest.mark.parametrize(
    ("memory", "shm", "chosen"),
    [
        (8 << 30, 16 << 30, 2 << 30),
        (8 << 30, 4 << 30, 1 << 30),
        (8 << 30, 64 << 20, LEAST_MEMORY),
        (512 << 20, 64 << 20, 128 << 20),
        (8 << 30, 0, LEAST_MEMORY),
    ],
)
def test_memory_is_a_quarter_of_what_there_is(making: Making, memory: int, shm: int, chosen: int) -> None:
    """A quarter of the limit and of free shared memory; where that is small the arena lies elsewhere, with a note."""
    plan = making.plan(machine=Machine((0,), (0,), memory, shm))
    assert plan.memory_nbytes == chosen
    assert any("shared memory has" in note for note in plan.notes) == (shm < 1 << 30)


def test_memory_as_the_config_says(making: Making) -> None:
    """An explicit size is taken."""
    assert making.plan(more="queues: {memory: 64MiB}\n").memory_nbytes == 64 << 20


def test_settings_that_reach_the_plan_unchanged(making: Making) -> None:
    """Limits, error policy and times."""
    plan = making.plan(more="limits: {frames: 7}\non_error: {retries: 1}\ntimeout: 2s\nstall_timeout: 3s\n")
    assert (
        plan.settings.limits.frames, plan.settings.on_error.retries, plan.settings.timeout_s, plan.settings.stall_s
    ) == (7, 1, 2.0, 3.0)  # fmt: skip
    assert plan.usable_cores == (0, 1, 2, 3)


def test_many_workers_are_questioned(making: Making) -> None:
    """A hundred processes on four cores are allowed, and noted."""
    plan = making.plan(overrides=("reader.workers=100",))
    assert plan.notes == (
        "--set reader.workers: 100 workers of 'reader' share 4 cores; each is a process with libraries of its own",
    )


@pytest.mark.parametrize(("cores", "text"), [((), ""), ((1,), "1"), ((0, 1, 2, 6, 8, 9), "0-2,6,8-9")])
def test_cores_in_short(cores: tuple[int, ...], text: str) -> None:
    """Runs of cores become ranges."""
    assert ranges(cores) == text


def test_explain_follows_the_spec_that_is_known_beforehand(making: Making) -> None:
    """A reader that knows its Spec needs no sample."""
    loaded = making.load(f"[{group('identity, {resize: {width: 50}}')}]")
    told = explained(planning.build(loaded, machine=FOUR), loaded)
    assert (told.known_beforehand, told.sampled, told.unread) == (True, 0, 0)
    [way] = told.ways
    assert (way.decode, [step for step, _ in way.steps]) == ("200x100 rgb uint8", ["identity", "resize"])
    assert way.steps[-1][1] == "50x25 rgb uint8"
    assert told.written == ("synthetic", "identity", "resize", "null")
    assert told.run == (("synthetic",), ("identity", "resize"), ("null",))
    assert told.in_flight == 8 * 4 + (8 + 8 * 4) + (8 + 8 * 2)
    assert told.predicted_nbytes == told.in_flight * told.frame_nbytes


def test_explain_samples_the_real_input(making: Making) -> None:
    """Headers of the first files say at which scale they will be decoded; broken ones are counted."""
    from PIL import Image

    folder = making.folder / "in"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (1600, 1200)).save(folder / f"{number}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    loaded = making.load(f"[{group('resize: {width: 100, height: 100}')}]", "{use: folder, path: in}")
    told = explained(planning.build(loaded, machine=FOUR), loaded)
    assert (told.sampled, told.unread) == (4, 1)
    [way] = told.ways
    assert (way.count, way.codec, way.full) == (3, "jpeg", "1600x1200 rgb uint8")
    assert way.why.endswith("/8: the chain takes no more than that")
    assert way.nbytes >= 200 * 150 * 3
    assert explained(planning.build(loaded, machine=FOUR), loaded, samples=2).sampled == 2


FOLDER, JPEGS = "{use: folder, path: .}", "{use: files, path: 'out/{stem}.jpg'}"


@pytest.mark.parametrize(
    ("transforms", "stages"),
    [
        ("[]", ["folder | srgb narrow files"]),
        ("[T]", ["folder | orient resize srgb narrow | files"]),
        ("[{name: a, stages: [orient]}, {name: b, stages: [identity]}]",
         ["folder | orient | identity srgb narrow | files"]),
        ("[{name: a, stages: [resize: {width: 9, height: 9, fit: contain}]}]", ["folder | srgb resize narrow | files"]),
        ("[{name: a, stages: [orient, {use: 'OWN:Alone'}, crop: {width: 1, height: 1}]}]",
         ["folder | orient srgb Alone crop narrow | files"]),
        ("[{name: a, stages: [srgb: {intent: relative}, orient]}]", ["folder | srgb orient narrow | files"]),
    ],
)  # fmt: skip
def test_profiles_are_applied_where_fewest_pixels_pass(making: Making, transforms: str, stages: list[str]) -> None:
    """Behind the stages that only move pixels, before the first that has colours of its own; once."""
    text = transforms.replace("[T]", "[{name: t, stages: [orient, resize: {width: 9}]}]")
    plan = making.plan(text, reader=FOLDER, writer=JPEGS)
    assert [" | ".join(" ".join(stage.label for stage in group.stages) for group in plan.groups)] == stages


def test_profiles_that_are_kept_are_applied_to_cmyk_only(making: Making) -> None:
    """And where nothing is encoded, or the reader makes frames itself, there is no such stage at all."""
    stage, *_ = making.plan(reader=FOLDER, writer="{use: files, path: 'out/{stem}.jpg', icc: keep}").groups[-1].stages
    assert (stage.label, stage.params) == ("srgb", {"only_cmyk": True})
    assert len(making.plan(reader=FOLDER).groups[-1].stages) == 1
    assert len(making.plan(writer=JPEGS.replace("stem", "index")).groups[-1].stages) == 1
