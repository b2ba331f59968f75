"""Writes docs/stages.md and docs/config.md from the declarations: `python docs/generate.py`. A test compares them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline import registry
from pipeline.config import keys
from pipeline.contracts.parameters import Parameter, holds_keys, parameters

HERE = Path(__file__).resolve().parent
TITLES = {
    "reader": "Readers: where frames come from",
    "transform": "Transforms: what happens to them",
    "reducer": "Reducers: one result of all frames",
    "writer": "Writers: where they go",
    "codec": "Formats",
}
MADE = "<!-- Made by docs/generate.py from the declarations; change those, then run it. -->\n"
ENDS = {"reader": "{use: folder, path: samples/photos}", "writer": "{use: files, path: 'out/{dir}/{stem}_{index}.png'}"}


def stages() -> str:
    """All components, each with its parameters and a config that uses it."""
    parts = ["# Stages\n", MADE, "`pipeline stages NAME` prints the same for one of them.\n"]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n")
        if kind == "codec":
            parts.append(
                "Magic bytes decide what an input is, the extension of `path` what an output becomes. Settings of an"
                " encoder stand in a block of the writer with the format's name.\n"
            )
        for name in registry.names(kind):
            parts += _component(kind, name)
    return "\n".join(parts)


def _component(kind: str, name: str) -> Iterator[str]:
    told = registry.describe(kind, name)
    yield f"### {name}\n"
    yield inspect.cleandoc(told["doc"]) + "\n"
    if told["parameters"]:
        yield "| parameter | takes | default | |\n|---|---|---|---|"
        for each in told["parameters"]:
            default = "required" if each["required"] else f"`{json.dumps(each['default'])}`"
            yield f"| `{each['name']}` | {_cell(each['wants'])} | {default} | {_cell(each['doc'])} |"
        yield ""
    if told["limits"]:
        yield "Fixed: " + ", ".join(f"{limit} {_plain(value)}" for limit, value in told["limits"].items()) + ".\n"
    if kind == "codec" and not registry.load(told["ref"]).extensions:
        return  # it writes nothing, so no config names it
    yield f"```yaml\n{_example(kind, name, told['example'])}```\n"


def _example(kind: str, name: str, params: dict[str, Any]) -> str:
    """A whole config that uses the component with its example parameters; JSON is YAML."""
    flow = ", ".join(f"{key}: {json.dumps(value)}" for key, value in params.items())
    ends, transforms = dict(ENDS), "[{name: step, stages: [orient]}]"
    if kind == "transform":
        transforms = f"[{{name: step, stages: [{f'{name}: {{{flow}}}' if flow else name}]}}]"
    elif kind == "reducer":
        reducers = f"reducers: [{{{name}: {{{flow}}}}}]"
        return f"version: 1\nreader: {ends['reader']}\ntransforms: {transforms}\n{reducers}\n"
    elif kind == "codec":
        extension = registry.load(registry.resolve(kind, name)).extensions[0]
        path = "out/{dir}/{stem}." + extension
        ends["writer"] = f"{{use: files, path: '{path}'" + (f", {name}: {{{flow}}}" if flow else "") + "}"
    else:
        quoted = f'"{name}"' if name == "null" else name
        if kind == "writer" and registry.load(registry.resolve(kind, name)).joins:
            ends["reader"] = "{use: video, path: samples/clips}"
        ends[kind] = f"{{use: {quoted}" + (f", {flow}" if flow else "") + "}"
    return f"version: 1\nreader: {ends['reader']}\ntransforms: {transforms}\nwriter: {ends['writer']}\n"


def config() -> str:
    """The keys beside the stages."""
    parts = [
        "# The config\n", MADE,
        "A config is a YAML 1.2 file with `version: 1`, a `reader`, `transforms` (a list of groups, each with `name`"
        " and `stages`) and a `writer`; `reducers` (a list) make files of all frames together, beside the writer or in"
        " its place. What stands in a stage is in [stages.md](stages.md). `pipeline check` lists"
        " every problem at once, with line and column; `pipeline schema` prints a JSON Schema for editors. A string"
        " may hold `${VAR}` or `${VAR:-default}`; relative paths are relative to the working directory;"
        " `--set KEY=VALUE` changes any key on the command line.\n",
        "## Keys of every group\n", *_keys(keys.GroupKeys),
        "\nA group of transforms may have a `name` too: letters, digits, - and _.\n",
        "## Keys of the reader besides\n", *_keys(keys.ReaderKeys, keys.GroupKeys),
        "\n## Keys of the writer besides\n", *_keys(keys.WriterKeys, keys.GroupKeys),
        "\n## Keys of the config\n", *_keys(keys.Settings),
        "\n## Templates of paths\n",
        "`path` of a writer knows `{dir} {stem} {ext} {name} {index} {pts} {row} {column} {width} {height} {hash}`:"
        " folder below the input's, name without and with extension, number of the frame within its input, its time"
        " stamp, its row and column among the parts of a picture (after the stage `tile`), its size, and a hash of the"
        " source's bytes. Put it in quotes where it begins with a brace.\n",
        "```yaml\nversion: 1\nreader: {use: folder, path: samples/photos, workers: 2}\ntransforms:\n"
        "  - name: small\n    workers: 2\n    cores: none\n    queue: {depth: 16}\n"
        "    stages: [orient, resize: {width: 640}]\n"
        "writer: {use: files, path: 'out/{dir}/{stem}.jpg', quality: 85}\n"
        "queues: {depth: 8, memory: auto, order: completed}\n"
        "on_error: {policy: continue, retries: 2, max_failures: 5%}\n"
        "limits: {pixels: 50000000, file_size: 100MB}\ntimeout: 60s\n```\n",
    ]  # fmt: skip
    return "\n".join(parts)


def _keys(cls: type[Any], without: type[Any] | None = None) -> Iterator[str]:
    """A table of declared keys, less those of another declaration."""
    yield "| key | takes | default | |\n|---|---|---|---|"
    known = {key.name for key in parameters(without)} if without else set()
    yield from _rows([key for key in parameters(cls) if key.name not in known], "", "")


def _rows(keys: Sequence[Parameter], above: str, follows: str) -> Iterator[str]:
    """A row a key; `follows` is the section whose values are the defaults of this one."""
    for key in keys:
        name = f"{above}{key.name}"
        if holds_keys(key.hint):
            yield f"| `{name}` | {_cell(key.wants)} | | {_cell(key.doc)} |"
            yield from _rows(parameters(key.hint), f"{name}.", key.metadata.get("follows", ""))
        else:
            usual = f"as in `{follows}`" if follows else f"`{_written(key.shown_default)}`"
            yield f"| `{name}` | {_cell(key.wants)} | {'required' if key.required else usual} | {_cell(key.doc)} |"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"stages.md": stages, "config.md": config}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make(), encoding="utf-8")
