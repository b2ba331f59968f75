"""Wrong configs: the exact message, line and column of each, as `pipeline check` prints them."""

from __future__ import annotations

import os
import re

import pytest

from pipeline import config
from pipeline.contracts.problem import ConfigError
from pipeline.plan import planning
from pipeline.plan.machine import Machine

MACHINE = Machine(cores=(0, 1), mask=(0, 1), memory_nbytes=8 << 30, shm_nbytes=8 << 30)
READER = "reader: {use: synthetic, frames: 3}\n"
WRITER = 'writer: {use: "null"}\n'
ENDS = f"version: 1\n{READER}{WRITER}"
FILES = f"version: 1\n{READER}"
KEYS = (
    "version, reader, transforms, reducers, writer, queues, fuse, on_error, limits, timeout, stall_timeout, durability,"
    " state_dir, keep_runs, recycle, sandbox, settle, notify"
)


def group(stages: str, more: str = "") -> str:
    return f"{ENDS}transforms:\n  - name: t\n    stages: {stages}\n{more}"


def messages(
    text: str | bytes, tmp_path: object, overrides: tuple[str, ...] = (), workers: tuple[str, ...] = ()
) -> list[str]:
    """What is said about a config, without the name of its file."""
    path = os.path.join(str(tmp_path), "c.yaml")
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        planning.build(config.load(path, overrides, workers), machine=MACHINE)
    assert caught.value.exit_code == 2
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


TEXTS = {
    "unknown top-level key": (ENDS + "qeues: {}\n", ["4:1: unknown key 'qeues' in the config; did you mean 'queues'?"]),
    "key of the future": (ENDS + "metrics: auto\n", [f"4:1: unknown key 'metrics' in the config; known are {KEYS}"]),
    "no version": (READER + WRITER, ["1:1: the config has no 'version'; wants version: 1"]),
    "version of the future": (
        ENDS.replace("1", "99"),
        ["1:10: version 99 is not known; wants 1; a newer pipeline may know it"],
    ),
    "version as text": (
        ENDS.replace("1", '"1"'),
        ["1:10: version is the text '1'; wants the number 1; remove the quotes"],
    ),
    "no writer": (FILES, ["1:1: the config has no 'writer'; wants writer: {use: NAME, ...}"]),
    "empty file": (
        "",
        ["1:1: the config is empty; wants keys and values"],
    ),
    "a list": ("- a\n", ["1:1: the config is a list; wants keys and values"]),
    "unknown stage": (group("[identiti]"), ["6:14: unknown transform 'identiti'; did you mean 'identity'?"]),
    "a reader as transform": (group("[folder]"), ["6:14: unknown transform 'folder'; folder is a reader"]),
    "unknown parameter": (
        group("[resize: {widht: 3, width: 3}]"),
        ["6:23: unknown parameter 'widht' of resize; did you mean 'width'?"],
    ),
    "key of a group misspelt": (
        "version: 1\nreader: {use: folder, path: samples, workerz: 2}\nwriter: {use: 'null', cors: none}\n",
        [
            "2:38: unknown parameter 'workerz' of folder; did you mean 'workers'?",
            "3:23: unknown parameter 'cors' of null; did you mean 'cores'?",
        ],
    ),
    "parameter of a stage without any": (
        group("[identity: {x: 3}]"),
        ["6:25: unknown parameter 'x' of identity; it takes none"],
    ),
    "wrong type": (
        group("[identity]", '    workers: "4"\n'),
        ["7:14: workers is the text '4'; wants a whole number from 1 to 512, or auto; remove the quotes"],
    ),
    "true is no number": (
        group("[identity]", "    workers: true\n"),
        ["7:14: workers is true; wants a whole number from 1 to 512, or auto"],
    ),
    "parameter of the wrong type": (
        FILES.replace("3", '"3"') + WRITER,
        ["2:34: frames is the text '3'; wants a whole number at least 0; remove the quotes"],
    ),
    "yes is no boolean": (
        ENDS.replace("frames", "random_sizes: yes, frames"),
        ["2:40: random_sizes is the text 'yes'; wants true or false; write true"],
    ),
    "out of range": (
        ENDS.replace("frames: 3", "height: 0"),
        ["2:34: height is 0; wants a whole number at least 1 px"],
    ),
    "not in the enum": (
        ENDS.replace("frames: 3", "dtype: unit8"),
        ["2:33: dtype is the text 'unit8'; wants one of uint8, uint16, float32; did you mean 'uint8'?"],
    ),
    "number where the enum has text": (
        FILES + 'writer: {use: files, path: "o/{stem}.jpg", jpeg: {subsampling: 420}}\n',
        ['3:64: subsampling is 420; wants one of 420, 422, 444; put it in quotes: "420"'],
    ),
    "entry of a list": (
        "version: 1\nreader: {use: folder, path: ., include: [a, 3]}\n" + WRITER,
        ['2:45: include.2 is 3; wants a list of text; put it in quotes: "3"'],
    ),
    "entry of a list of words": (
        FILES + 'writer: {use: files, path: "o/{stem}.jpg", keep: [exif, gainmap]}\n',
        [
            "3:57: keep.2 is the text 'gainmap'; wants a list of one of exif, xmp, iptc, gps, copyright, date, comment,"
            " mtime, density, sidecar, gain_map; did you mean 'gain_map'?"
        ],
    ),
    "missing parameter": (FILES + "writer: {use: files}\n", ["3:9: files has no 'path'; wants text"]),
    "no use": (FILES + "writer: {path: x}\n", ["3:9: writer has no 'use'; wants text"]),
    "duplicate key": (ENDS + "version: 1\n", ["4:1: 'version' stands twice; the first is in line 1; keep one"]),
    "tab": (
        ENDS + "queues:\n\tdepth: 1\n",
        ["5:1: a tab stands where a value or its indent begins; indent with spaces"],
    ),
    "tag": (
        ENDS + "fuse: !!str all\n",
        ["4:7: the tag !!str; tags have no meaning here; remove it"],
    ),
    "undefined alias": (
        ENDS + "fuse: *x\n",
        [
            "4:7: fuse is empty; wants one of none, all, auto",
            "4:7: the alias *x has no anchor before it; want &x on a value above",
        ],
    ),
    "recursive alias": (
        ENDS + "queues: &q {depth: *q}\n",
        ["4:20: the alias *q stands inside what it stands for"],
    ),
    "alias bomb": (
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{y}: &{y} [{','.join([f'*{x}'] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)),
        ["5:8: the config is too large; want at most 10000 values, aliases written out"],
    ),
    "many aliases": (
        "a: &a 1\nb: [" + "*a, " * 65 + "]\n",
        ["2:261: too many aliases; want at most 64"],
    ),
    "nesting": ("[" * 40, ["1:33: the config is nested too deeply; want at most 32 levels"]),
    "nesting by aliases": (
        "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20 + "\n",
        ["2:24: the config is nested too deeply; want at most 32 levels"],
    ),
    "two documents": (ENDS + "---\n" + ENDS, ["4:1: a second document begins here; want one document in a config"]),
    "YAML 1.1": ("%YAML 1.1\n---\n" + ENDS, ["2:1: YAML 1.1 is asked for; want YAML 1.2"]),
    "not UTF-8": (ENDS.encode() + b"# caf\xe9\n", ["4:6: byte 0xe9 is not UTF-8; want text in UTF-8"]),
    "control character": (ENDS + "fuse: \x07\n", ["4:7: the character U+0007 cannot stand in YAML; remove it"]),
    "bad escape": (
        ENDS + 'fuse: "\\U99999999"\n',
        ["4:1: this is no YAML; after this place; check escapes and quotes"],
    ),
    "leading zero": (
        ENDS + "queues: {depth: 010}\n",
        ['4:17: 010 is 10 in YAML 1.2 and an octal number in YAML 1.1; write 10, or "010"'],
    ),
    "key that is no text": (ENDS + "1: x\n", ['4:1: the key 1 is not text; want a name; put it in quotes: "1"']),
    "key that is a list": (ENDS + "[a]: x\n", ["4:1: a key that is not text; want a name"]),
    "second colon": (
        ENDS + "fuse: a: b\n",
        ["4:8: a ':' that YAML does not take here; put it in quotes, or check the indent"],
    ),
    "list on the line of its key": (
        ENDS + "fuse: - b\n",
        ["4:7: a list cannot begin here; begin it on a line of its own, or put it in quotes"],
    ),
    "at sign": (ENDS + "fuse: @b\n", ["4:7: a value cannot begin with @; put it in quotes"]),
    "unclosed": (
        ENDS + "queues: {depth: 1\n",
        [
            "5:1: this is no YAML: expected ',' or '}', but got '<stream end>' while parsing a flow mapping;"
            " check indent and quotes"
        ],
    ),
    "core outside the mask": (
        group("[identity]", "    cores: [0, 7]\n"),
        ["7:16: core 7 is not usable; usable are 0-1"],
    ),
    "range of cores outside the mask": (
        group("[identity]", '    cores: "1-2"\n'),
        ["7:12: core 2 is not usable; usable are 0-1"],
    ),
    "cores as one number": (
        group("[identity]", "    cores: 1\n"),
        ['7:12: cores is 1; wants [0, 1], "0-3", auto or none; write [1] for one core'],
    ),
    "cores backwards": (
        group("[identity]", "    cores: 3-1\n"),
        ['7:12: the range 3-1 runs backwards; want 1-3; wants [0, 1], "0-3", auto or none'],
    ),
    "depth 0": (ENDS + "queues: {depth: 0}\n", ["4:17: depth is 0; wants a whole number from 1 to 4096"]),
    "credit 9": (ENDS + "queues: {credit: 9}\n", ["4:18: credit is 9; wants a whole number from 1 to 8, or auto"]),
    "memory": (
        ENDS + "queues: {memory: lots}\n",
        ["4:18: memory is the text 'lots'; wants a size such as 512MB or 2GiB, at least 64KiB, or auto"],
    ),
    "memory beyond the machine": (
        ENDS + "queues: {memory: 1TiB}\n",
        ["4:18: memory is 1048576 MiB; this process may use 8192 MiB"],
    ),
    "order": (ENDS + "queues: {order: sorted}\n", ["4:17: order is the text 'sorted'; wants one of completed, input"]),
    "failures": (
        ENDS + "on_error: {max_failures: 500%}\n",
        ["4:26: max_failures is the text '500%'; wants a number, a share such as 5%, or none"],
    ),
    "timeout": (
        ENDS + "timeout: 5 parsecs\n",
        ["4:10: timeout is the text '5 parsecs'; wants a time such as 30s or 2m, from 10ms to 24h"],
    ),
    "limit raised by the config": (
        ENDS + "limits: {pixels: 200000000}\n",
        [
            "4:18: pixels is 200000000; a config may lower it below 100000000;"
            " raise it on the command line: --set limits.pixels=200000000"
        ],
    ),
    "missing path": (
        "version: 1\nreader: {use: folder, path: /no/such}\n" + WRITER,
        ["2:29: there is no '/no/such'"],
    ),
    "unset variable": (
        ENDS + "fuse: ${NO_SUCH_VARIABLE}\n",
        [
            "4:7: fuse is the text ''; wants one of none, all, auto",
            "4:7: the variable NO_SUCH_VARIABLE is not set; set it, or write ${NO_SUCH_VARIABLE:-default}",
        ],
    ),
    "no variable": (
        ENDS + "fuse: ${1st:-all}\n",
        [
            "4:7: ${1st:-all} names no variable; want ${VAR} or ${VAR:-default}",
            "4:7: fuse is the text '${1st:-all}'; wants one of none, all, auto",
        ],
    ),
    "unquoted variable in a flow mapping": (
        FILES + "writer: {use: ${WRITER:-null}}\n",
        ["3:15: an unquoted value with { } in it, which YAML reads as a mapping; put it in quotes"],
    ),
    "unquoted template": (
        FILES + "writer:\n  use: files\n  path: {stem}\n",
        ['5:9: path begins with an unquoted {, which YAML reads as a mapping; wants text; put it in quotes: "{stem}"'],
    ),
    "unquoted template with more": (
        FILES + "writer:\n  use: files\n  path: {dir}/x.jpg\n",
        ["5:9: an unquoted value with { } in it, which YAML reads as a mapping; put it in quotes"],
    ),
    "unquoted template in a flow mapping": (
        FILES + "writer: {use: files, path: out/{stem}.jpg}\n",
        ["3:28: an unquoted value with { } in it, which YAML reads as a mapping; put it in quotes"],
    ),
    "template that cannot be unique": (
        "version: 1\nreader: {use: synthetic, fan_out: 2}\n" + 'writer: {use: files, path: "o/{stem}.jpg"}\n',
        ["3:28: synthetic makes several frames of an item, and some get the same name; add {index} to the path"],
    ),
    "unknown template field": (
        FILES + 'writer: {use: files, path: "o/{steam}.jpg"}\n',
        [
            "3:28: unknown template field {steam};"
            " known are {dir} {stem} {ext} {name} {member} {archive} {index} {pts} {row} {column} {width} {height}"
            " {hash} {columns.NAME}"
        ],
    ),
    "format of the source": (
        FILES + 'writer: {use: files, path: "o/{stem}.{ext}"}\n',
        ["3:28: outputs in the format of each source ({ext}) are not supported yet; EXTENSIONS; end the path in .jpg"],
    ),
    "no format": (
        FILES + 'writer: {use: files, path: "o/{stem}"}\n',
        ["3:28: the path of the outputs names no format; EXTENSIONS; end it in an extension such as .jpg"],
    ),
    "unknown format": (
        FILES + 'writer: {use: files, path: "o/{stem}.xyz"}\n',
        ["3:28: no codec writes '.xyz'; EXTENSIONS"],
    ),
    "format misspelt": (
        FILES + 'writer: {use: files, path: "o/{stem}.wepb"}\n',
        ["3:28: no codec writes '.wepb'; EXTENSIONS; did you mean 'webp'?"],
    ),
    "stage in other letters": (group("[sRGB]"), ["6:14: unknown transform 'sRGB'; did you mean 'srgb'?"]),
    "user code": (
        group("[./mine.py:Blur]"),
        ["6:14: './mine.py:Blur' names code of yours; a config with code is a program: --allow-code runs it"],
    ),
    "user code by module": (
        group("[{use: os.path:join}]"),
        ["6:20: 'os.path:join' names code of yours; a config with code is a program: --allow-code runs it"],
    ),
    "Spec that a stage refuses": (
        group("[identity, resize: {width: 3}]").replace("frames: 3", "channels: 7"),
        ["6:24: resize wants 1 to 4 channels, got 7; convert before this stage"],
    ),
    "two stages in one entry": (
        group("\n      - identity: {}\n        orient: {}"),
        [
            "8:9: a stage with the keys identity and orient; wants name, {name: {parameters}} or"
            " {use: NAME, with: {parameters}, name: LABEL}; begin a new entry with '- orient',"
            " or indent it below identity"
        ],
    ),
    "a number as stage": (
        group("[3]"),
        ["6:14: a stage is 3; wants name, {name: {parameters}} or {use: NAME, with: {parameters}, name: LABEL}"],
    ),
    "no stages": (
        ENDS + "transforms: [{name: t}]\n",
        ["4:14: the group 't' has no 'stages'; wants a list of transforms"],
    ),
    "reserved name": (
        ENDS + "transforms: [{name: writer, stages: [identity]}]\n",
        ["4:21: the name 'writer' is reserved; choose another"],
    ),
    "name taken": (
        ENDS + "transforms: [{name: a, stages: [identity]}, {name: a, stages: [identity]}]\n",
        ["4:52: the name 'a' is taken by a group above; choose another"],
    ),
    "name with a dot": (
        ENDS + "transforms: [{name: a.b, stages: [identity]}]\n",
        ["4:21: the name 'a.b' cannot be addressed; wants letters, digits, - and _"],
    ),
    "block of settings": (
        FILES + 'writer: {use: files, path: "o/{stem}.jpg", jpeg: 3}\n',
        ["3:50: jpeg is 3; wants settings of the encoder"],
    ),
    "parameter that the component refuses": (
        FILES + 'writer: {use: files, path: "o/{stem}.jpg", jpeg: {background: "#ff000080"}}\n',
        ['3:63: jpeg: background #ff000080 is not opaque; write it as "#rrggbb"'],
    ),
    "colour by its name": (
        FILES + 'writer: {use: files, path: "o/{stem}.jpg", jpeg: {background: red}}\n',
        ["3:63: background is the text 'red'; wants a colour such as #ffcc00, or #ffcc0080 with its alpha"],
    ),
    "fused with two counts": (
        ENDS.replace("frames: 3", "workers: 1").replace('"null"', '"null", workers: 2') + "fuse: all\n",
        ["3:32: fuse: all makes one group, and workers says 1 and 2; use one number, or auto"],
    ),
    "merge of no mapping": (
        ENDS + "queues: {<<: 3}\n",
        ["4:14: '<<' merges what is no mapping; want an alias of a mapping, or a list of them"],
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_wrong_config_is_refused_at_its_place(name: str, tmp_path: object) -> None:
    """Each wrong config ends in its message, line and column, and in nothing else."""
    text, expected = TEXTS[name]
    assert [_short(message) for message in messages(text, tmp_path)] == expected


def _short(message: str) -> str:
    """The message without the list of known extensions, which grows with the codecs."""
    return re.sub(r"known are [^;]*\bjpg\b[^;]*", "EXTENSIONS", message)


OVERRIDES = {
    "fues=all": "unknown key 'fues' in the config; did you mean 'fuse'?",
    "transforms.shrnk.workers=1": "there is no group 'shrnk' of transforms; did you mean 'shrink'?",
    "transforms.shrink.rezise.width=1": "the group has no stage or key 'rezise'; did you mean 'resize'?",
    "transforms.shrink.resize.widht=1": "unknown parameter 'widht' of resize; did you mean 'width'?",
    "transforms.shrink.resize.width=wide": "width is the text 'wide'; wants a whole number",
    "fuse": "this sets nothing; wants KEY=VALUE, such as fuse=all",
    "transforms.shrink=1": "this names a whole group or stage; wants one of its keys; add .KEY",
    "version.x.y=1": "'x' is looked for in a plain value; wants a key of the config",
    "version.x=1": "'x' is looked for in a plain value; wants a key of the config",
    "queues.depth=many": "depth is the text 'many'; wants a whole number from 1 to 4096",
    "transforms.shrink.cores=[5]": "core 5 is not usable; usable are 0-1",
}
SHRINK = ENDS + "transforms:\n  - name: shrink\n    stages:\n      - resize: {width: 256}\n"


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_wrong_override_is_refused_by_its_own_name(override: str, tmp_path: object) -> None:
    """Each wrong `--set` is named as it stood on the command line."""
    message = messages(SHRINK, tmp_path, (override,))[0]
    assert message.startswith(f"--set {override.partition('=')[0]}: {OVERRIDES[override]}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shrnk=2", "--workers shrnk=2: there is no group 'shrnk'; did you mean 'shrink'?"),
        (
            "shrink",
            "--workers shrink: this sets no workers; wants GROUP=N with a group of reader, shrink, writer, or all",
        ),
        ("shrink=0", "--workers shrink=0: workers is 0; wants a whole number from 1 to 512, or auto"),
    ],
)
def test_wrong_workers_are_refused_by_their_own_name(text: str, expected: str, tmp_path: object) -> None:
    """Each wrong `--workers` is named as it stood on the command line."""
    assert messages(SHRINK, tmp_path, workers=(text,)) == [expected]


def test_all_problems_of_a_file_come_at_once(tmp_path: object) -> None:
    """Problems of structure and of components are listed together, sorted by place."""
    text = "version: 2\nreader: {use: synthetic, frmes: 3}\nwriter: {use: nul}\nqueues: {depth: 0}\nfuse: al\n"
    places = [message.partition(" ")[0] for message in messages(text, tmp_path)]
    assert places == ["1:10:", "2:26:", "3:15:", "4:17:", "5:7:"]


@pytest.mark.parametrize("path", ["/no/such.yaml", "/", "a\0b"])
def test_a_config_that_cannot_be_read_is_refused(path: str) -> None:
    """A missing file, a folder and an impossible name are usage errors."""
    with pytest.raises(ConfigError, match="cannot read the config: "):
        config.load(path)


def test_a_huge_config_is_refused(tmp_path: object) -> None:
    """More than 1 MiB is not even parsed."""
    assert messages("#" * (1 << 20) + "\n", tmp_path) == ["1:1: the config is larger than 1 MiB; want a config"]
