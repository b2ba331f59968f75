"""All commands under one name, and how errors end a process. Heavy imports stand inside the commands' functions."""

from __future__ import annotations

import traceback
from typing import Any

import click

from pipeline import __version__

from ..errors import Exit, PipelineError
from ..supervisor.signals import Early
from . import (
    check_command,
    doctor_command,
    merge_reports_command,
    plan_command,
    probe_command,
    report_command,
    repro_command,
    retry_command,
    run_command,
    schema_command,
    stages_command,
    text,
    tune_command,
    verify_manifest_command,
    watch_command,
    why_command,
)


class App(click.Group):
    """Commands whose errors end in one message and the exit code that belongs to them."""

    def invoke(self, ctx: click.Context) -> Any:
        text.harden_streams()
        early = Early()
        try:
            with early.handled():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # `pipeline plan ... | head`: the reader has seen enough; click ends quietly
            raise
        except (Exception, KeyboardInterrupt) as error:
            ctx.exit(int(_told(ctx, error, interrupted=bool(early.count))))
        finally:
            text.forget_streams()


def _told(ctx: click.Context, error: BaseException, *, interrupted: bool) -> Exit:
    """Say what ended a command; the exit code for it."""
    if interrupted or isinstance(error, KeyboardInterrupt):  # Ctrl-C within a library may come out as any exception
        text.say("pipeline: interrupted")
        return Exit.INTERRUPTED
    if isinstance(error, PipelineError):
        text.refuse(error, as_json=bool(ctx.meta.get("pipeline.json")))
        return error.exit_code
    text.say("".join(traceback.format_exception(error)).rstrip())
    text.say("pipeline: this is a defect of pipeline or of a stage; please report it with the lines above")
    return Exit.INTERNAL


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="pipeline %(version)s")
def main() -> None:
    """Folders of images and hours of video through a chain of steps, on all cores.

    First look: pipeline check CONFIG.yaml, then pipeline plan CONFIG.yaml, then pipeline run CONFIG.yaml.
    """


for name, module in (
    ("run", run_command),
    ("check", check_command),
    ("watch", watch_command),
    ("plan", plan_command),
    ("why", why_command),
    ("report", report_command),
    ("retry", retry_command),
    ("repro", repro_command),
    ("stages", stages_command),
    ("schema", schema_command),
    ("doctor", doctor_command),
    ("tune", tune_command),
    ("probe", probe_command),
    ("merge-reports", merge_reports_command),
    ("verify-manifest", verify_manifest_command),
):
    main.add_command(module.command, name)
