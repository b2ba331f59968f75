"""Configs that are right: types, defaults, variables, aliases, overrides; and texts that are anything at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import config
from pipeline.config import yaml_source
from pipeline.config.form import Config, interpret
from pipeline.config.key_types import Cores, Credit, MaxFailures
from pipeline.config.keys import OnError, Settings
from pipeline.config.overrides import apply
from pipeline.contracts.contexts import Limits
from pipeline.contracts.problem import ConfigError, Mark, Problem

ENDS = 'version: 1\nreader: {use: synthetic, frames: 3}\nwriter: {use: "null"}\n'
GROUPS = """\
transforms:
  - name: first
    workers: 3
    cores: "0-1"
    queue: {depth: 2, order: input, credit: 1}
    stages:
      - identity
      - resize: {width: 256}
      - {use: resize, with: {width: 128}, name: small}
      - resize: {width: 64}
  - stages: [identity]
"""


def loaded(text: str, tmp_path: Path, *overrides: str, workers: tuple[str, ...] = ()) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    found = config.load(path, overrides, workers)
    assert found.problems == ()
    return found


def parsed(text: str, **environ: str) -> object:
    """A text as plain data."""
    node, problems = yaml_source.parse(text, "t", environ=environ)
    assert problems == []
    return node.plain


def test_a_small_config_has_every_default(tmp_path: Path) -> None:
    """Reader and writer alone are a config."""
    found = loaded(ENDS, tmp_path)
    assert [group.name for group in found.groups] == ["reader", "writer"]
    assert found.settings == Settings()
    assert all(group.keys.queue.depth == 8 and group.keys.workers == "auto" for group in found.groups)


def test_groups_and_the_three_forms_of_a_stage(tmp_path: Path) -> None:
    """A stage is a name, a name with parameters, or use/with/name; a second one of a name is numbered."""
    first, second = loaded(ENDS + GROUPS, tmp_path).transforms
    assert [stage.label for stage in first.stages] == ["identity", "resize", "small", "resize-2"]
    assert [stage.use for stage in first.stages] == ["identity", "resize", "resize", "resize"]
    assert [stage.params.plain for stage in first.stages] == [{}, {"width": 256}, {"width": 128}, {"width": 64}]
    assert (first.keys.workers, first.keys.cores.named) == (3, (0, 1))
    queue = first.keys.queue
    assert (queue.depth, queue.order, queue.credit) == (2, "input", Credit(1, 1))
    assert (second.name, second.keys.workers, second.keys.cores) == ("transform-2", "auto", Cores())


def test_a_group_that_says_nothing_of_its_queue_has_that_of_all(tmp_path: Path) -> None:
    """And one that says part of it has the rest from `queues`."""
    found = loaded(ENDS + GROUPS + "queues: {depth: 5, order: input, credit: 3}\n", tmp_path, "reader.queue.depth=9")
    assert [(group.keys.queue.depth, group.keys.queue.order) for group in found.groups] == [
        (9, "input"), (2, "input"), (5, "input"), (5, "input"),
    ]  # fmt: skip
    assert [group.keys.queue.credit.most for group in found.groups] == [3, 1, 3, 3]


def test_every_stage_knows_its_place(tmp_path: Path) -> None:
    """Marks of a group's stages are 1-based lines and columns."""
    first = loaded(ENDS + GROUPS, tmp_path).transforms[0]
    assert [(stage.mark.line, stage.mark.column) for stage in first.stages] == [(10, 9), (11, 9), (12, 15), (13, 9)]
    assert first.stages[1].params.at(("width",)) == Mark(str(tmp_path / "c.yaml"), 11, 25)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{policy: stop}", OnError(policy="stop")),
        ("{max_failures: 3, retries: 0}", OnError(retries=0, max_failures=MaxFailures(count=3))),
        ("{max_failures: 12.5%}", OnError(max_failures=MaxFailures(share=0.125))),
        ("{max_failures: none}", OnError(max_failures=MaxFailures())),
    ],
)
def test_error_policies(text: str, policy: OnError, tmp_path: Path) -> None:
    """A failure budget is a number, a share or none."""
    assert loaded(f"{ENDS}on_error: {text}\n", tmp_path).settings.on_error == policy


def test_a_config_may_lower_limits_and_the_command_line_may_raise_them(tmp_path: Path) -> None:
    """Limits belong to the operator."""
    lower = loaded(ENDS + "limits: {pixels: 5, file_size: 1kB, frames: 2}\n", tmp_path)
    assert lower.settings.limits == Limits(5, 1000, 2)
    assert loaded(ENDS, tmp_path, "limits.pixels=900000000").settings.limits.pixels == 900_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("22:22", "22:22"), ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("~", None), ("NULL", None), ("", None), ("True", True), ("false", False), ("0o17", 15), ("0xFF", 255),
        ("1e3", 1000.0), (".5", 0.5), ("-3", -3), ("+3", 3), ("1.", 1.0), ("0", 0), ("'3'", "3"), ("0b1", "0b1"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    """The core schema: `no` and times of day are text, octal numbers have a 0o."""
    assert parsed(f"a: {text}\n") == {"a": value}


def test_variables_stand_in_text_values_only() -> None:
    """${VAR} and ${VAR:-default} are replaced in values, whatever their quotes; keys and templates stay."""
    text = "'${A}': ${A}\nb: \"x${B:-y}z\"\nc: ${A:-no}\nd: ${E:-}\ne: {f: ['{dir}/${A}']}\n"
    assert parsed(text, A="1") == {"${A}": "1", "b": "xyz", "c": "1", "d": "", "e": {"f": ["{dir}/1"]}}


def test_aliases_and_merges_are_copies(tmp_path: Path) -> None:
    """An override of one alias leaves the others alone; own keys win over merged ones."""
    text = ENDS + (
        "transforms:\n  - name: a\n    stages: [resize: &r {width: 5, height: 6}]\n"
        "  - name: b\n    stages: [resize: *r]\n  - name: c\n    stages: [resize: {<<: *r, width: 7}]\n"
    )
    found = loaded(text, tmp_path, "transforms.a.resize.width=9")
    widths = [group.stages[0].params.plain for group in found.transforms]
    assert widths == [{"width": 9, "height": 6}, {"width": 5, "height": 6}, {"width": 7, "height": 6}]


def test_an_anchor_may_be_used_again() -> None:
    """An alias stands for the last value with its anchor before it."""
    assert parsed("a: &x 1\nb: *x\nc: &x {d: 2}\ne: *x\n") == {"a": 1, "b": 1, "c": {"d": 2}, "e": {"d": 2}}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Editors on other systems put one there."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + ENDS.replace("\n", "\r\n").encode())
    assert config.load(path).problems == ()


def test_overrides_reach_every_form_of_a_stage(tmp_path: Path) -> None:
    """A parameter is addressed by group, stage and name, whichever way the stage is written."""
    found = loaded(
        ENDS + GROUPS, tmp_path,
        "transforms.first.identity.x=1", "transforms.first.resize.width=2", "transforms.first.small.width=3",
        "transforms.first.resize-2.height=4", "transforms.transform-2.workers=5", "reader.frames=6",
        "transforms.first.queue.depth=7", "queues.memory=1GiB", "writer.jpeg.quality=8", "fuse=all",
    )  # fmt: skip
    first, second = found.transforms
    params = [stage.params.plain for stage in first.stages]
    assert params == [{"x": 1}, {"width": 2}, {"width": 3}, {"width": 64, "height": 4}]
    assert (second.keys.workers, first.keys.queue.depth) == (5, 7)
    assert (found.settings.queues.memory_nbytes, found.settings.fuse) == (1 << 30, "all")
    assert found.reader.stages[0].params.plain == {"frames": 6}
    assert found.writer.stages[0].params.plain == {"jpeg": {"quality": 8}}


def test_overrides_are_yaml_and_keep_their_text(tmp_path: Path) -> None:
    """A value is read as YAML, and its text is kept for parameters that are text."""
    params = (
        loaded(ENDS, tmp_path, "reader.a=[1, x]", "reader.b=007", "reader.c={dir}/x", "reader.d=")
        .reader.stages[0]
        .params
    )
    assert params.value["a"].plain == [1, "x"]
    assert [params.value[key].raw for key in "bcd"] == ["007", "{dir}/x", ""]
    assert params.value["b"].mark == Mark("--set reader.b")


def test_workers_of_a_group_and_of_all(tmp_path: Path) -> None:
    """Later ones win."""
    found = loaded(ENDS + GROUPS, tmp_path, workers=("all=2", "first=auto", "writer=1"))
    assert [group.keys.workers for group in found.groups] == [2, "auto", 2, 1]


def test_null_is_the_name_of_a_writer(tmp_path: Path) -> None:
    """`use: null` needs no quotes, though YAML reads nothing there."""
    assert loaded(ENDS.replace('"null"', "null"), tmp_path).writer.stages[0].use == "null"


def test_an_override_can_swap_the_reader(tmp_path: Path) -> None:
    """A whole mapping may be put in the place of another."""
    found = loaded(ENDS, tmp_path, "reader={use: folder, path: x}", "reader.path=y")
    assert found.reader.stages[0].use == "folder"
    assert found.reader.stages[0].params.value["path"].raw == "y"


PIECES = st.sampled_from(
    [
        *ENDS.splitlines(), *GROUPS.splitlines(), "{", "}", "[", "]", "- ", ": ", "\n", "  ", "\t", "&a ", "*a", "!x ",
        "<<: ", "${A}", '"', "'", "|\n", ">\n", "---\n", "%YAML 1.2\n", "?", "#", "\\x0", "\x85", "\u2028", "010",
        "workers: -1", "null",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join), st.binary(max_size=200)))
@example("version: 1\nreader: {use: \nwriter: 3\ntransforms: [[], {}, 3, {name: []}, {stages: {}}]\n")
@example("? {}\n: x\n<<: [1, {a: 2}]\n")
@example('a: "\\ud800"\n')
@example("reader: &a {use: *a}\n")
@example("transforms: [{name: x, stages: [{use: []}, {use: {}, with: 3}, {}, null]}]\n")
def test_any_text_is_a_config_or_a_list_of_problems(text: str | bytes) -> None:
    """Whatever a file holds, loading it ends in a Config or in a ConfigError with places, and in nothing else."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    read, write = os.pipe()
    with os.fdopen(write, "wb") as file:
        file.write(data)
    try:
        found = config.load(f"/dev/fd/{read}", ["reader.path=x", "transforms.t.resize.width=3"], ["all=2"])
    except ConfigError as error:
        problems = error.problems
    else:
        problems = [*found.problems, Problem(Mark("", 1), "none")]
    finally:
        os.close(read)
    assert problems
    assert all(problem.mark.line >= 0 and problem.what for problem in problems)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60), st.sampled_from(["reader.frames", "transforms.first.resize.width", "fuse", "queues.depth"])
)
def test_any_override_is_taken_or_refused(value: str, key: str) -> None:
    """Any text after --set KEY= is a value or a problem, never another exception."""
    node, _ = yaml_source.parse(ENDS + GROUPS, "t")
    problems = apply(node, [f"{key}={value}"], [])
    assert interpret(node, "t", problems).source == "t"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000, "- " * 5000, "{a: " * 3000, "? " * 5000, "!" * 100_000, "a: &x [1]\nb: [" + "*x," * 3000 + "]",
        "a: " + "${" * 300_000, "a: " + "{x} " * 200_000, " " * 1_000_000 + "a: {b}c", ":" * 100_000, "[a, " * 5000,
        "\n".join(f"k{number}: v" for number in range(60_000)), "{" + ("a" * 1000 + ": 1, ") * 900,
    ],
    ids=range(13),
)  # fmt: skip
@pytest.mark.timeout(10)
def test_hostile_texts_are_answered_soon(text: str, tmp_path: Path) -> None:
    """Nesting, aliases and repetition that make parsers slow are met by the bounds."""
    (tmp_path / "c.yaml").write_text(text)
    try:
        found = config.load(tmp_path / "c.yaml")
    except ConfigError as error:
        found = error
    assert found.problems
