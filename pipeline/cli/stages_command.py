"""`pipeline stages`: what there is to put into a config, and the parameters of each."""

from __future__ import annotations

import json
from typing import Any

import click

from . import options, text


@click.command(short_help="List readers, transforms, reducers, writers and codecs; or show one.")
@click.argument("name", required=False)
@options.JSON
def command(name: str | None, as_json: bool) -> None:
    """List the components by kind, or show the parameters of NAME."""
    from .. import registry
    from ..errors import UsageError

    others = registry.installed()
    every = [
        (kind, each)
        for kind in registry.KINDS
        for each in sorted([*registry.names(kind), *(name for other, name in others if other == kind)])
    ]
    chosen = [(kind, each) for kind, each in every if name in (None, each)]
    if not chosen:
        raise UsageError(f"there is no stage '{name}'", remedy=registry.near(str(name), sorted({n for _, n in every})))
    described = [registry.describe(kind, each) for kind, each in chosen]
    if as_json:
        text.print_json({"stages": described})
    elif name is None:
        _list(described)
    else:
        for each in described:
            _show(each)


def _list(described: list[dict[str, Any]]) -> None:
    width = max(len(each["name"]) for each in described)
    kind = ""
    for each in described:
        if each["kind"] != kind:
            kind = each["kind"]
            click.echo(f"{kind}s")
        click.echo(f"  {each['name']:{width}}  {each['doc'].strip().splitlines()[0] if each['doc'] else ''}")
    click.echo("\nParameters of one: pipeline stages NAME")


def _show(each: dict[str, Any]) -> None:
    import inspect

    click.echo(f"{each['name']} ({each['kind']}, {each['ref']})\n")
    click.echo(inspect.cleandoc(each["doc"]) + "\n")
    for parameter in each["parameters"]:
        default = "required" if parameter["required"] else f"default {_yaml(parameter['default'])}"
        click.echo(f"  {parameter['name']}: {parameter['wants']}; {default}")
        if parameter["doc"]:
            click.echo(f"      {parameter['doc']}")
    for limit, value in each["limits"].items():
        click.echo(f"  {limit} = {_yaml(value)} (fixed)")
    click.echo(f"\nexample: {_example(each)}\n")


def _example(each: dict[str, Any]) -> str:
    """One line of a config; JSON is YAML."""
    name = f'"{each["name"]}"' if each["name"] == "null" else each["name"]
    params = ", ".join(f"{key}: {json.dumps(value)}" for key, value in each["example"].items())
    if each["kind"] in ("reader", "writer"):
        return f"{each['kind']}: {{use: {name}" + (f", {params}}}" if params else "}")
    if each["kind"] == "codec":
        return f"writer: {{use: files, path: 'out/{{stem}}.{each['limits']['extensions'][0]}', {name}: {{{params}}}}}"
    if each["kind"] == "reducer":
        return f"reducers: [{{{name}: {{{params}}}}}]"
    return f"- {name}: {{{params}}}" if params else f"- {name}"


def _yaml(value: Any) -> str:
    """A default as the config would say it."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_yaml(each) for each in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
