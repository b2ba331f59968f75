"""`pipeline schema`: the JSON Schema of a config, for the completion of editors."""

from __future__ import annotations

import json

import click

from . import options


@click.command(short_help="Print the JSON Schema of a config, for editors.")
@options.JSON
def command(as_json: bool) -> None:
    """Print the JSON Schema of a config.

    Keep it beside your configs and begin each with the line
    `# yaml-language-server: $schema=pipeline.schema.json`: editors then complete keys and mark mistakes.
    """
    del as_json  # it is JSON in any case
    from .. import registry
    from ..config import keys
    from ..registry.json_schema import config_schema

    found = {
        kind: {name: registry.load(registry.resolve(kind, name)) for name in registry.names(kind)}
        for kind in registry.KINDS
    }
    ends = keys.ReaderKeys, keys.WriterKeys
    schema = config_schema(found, keys.Settings, keys.TransformsKeys, *ends, keys.StageKeys)
    click.echo(json.dumps(schema, indent=1))
