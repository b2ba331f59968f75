"""From an exception of a stage to the Cause that the report shows: what, where, limit, remedy, traceback of a bug."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

from ..contracts.cause import Cause
from ..contracts.contexts import Skip
from ..errors import PipelineError, kind_of, words_of
from ..plan.model import Plan

LONGEST = 8000  # characters of a traceback; it travels in a text slot of 13 KiB. Its end says most
ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Cancelled(Exception):
    """The item was given up while this worker was at it."""


class Refused(Exception):
    """The parent will not lend this memory, or not give this name; `kind` as of a Cause."""

    def __init__(self, why: str, kind: str = "refused") -> None:
        super().__init__(why)
        self.kind = kind


def cause_of(stage: str, error: BaseException, plan: Plan) -> Cause:
    """Why an item was not done, from what a stage raised.

    Args:
        stage: label of the stage that raised.
        error: what it raised.
        plan: names the files of the stages, to find the line of a bug.
    """
    if isinstance(error, Skip):
        return Cause(stage, "skip", " ".join(str(error).split()))
    if isinstance(error, Refused):
        return Cause(stage, error.kind, str(error))
    if isinstance(error, Cancelled):
        return Cause(stage, "refused", str(error))
    if isinstance(error, PipelineError):
        return Cause(stage, kind_of(error), error.what, error.where or "", error.limit or "", error.remedy or "")
    cause = Cause(stage, kind_of(error), words_of(error))
    ends = (plan.reader.label, plan.writer.label)
    if cause.kind != "error" and (stage in ends or not stage):
        return cause  # a file that is not there is no bug of a reader or writer; in a transform it is
    deepest = faulting(error, plan)
    where = ""
    if deepest is not None:
        code = deepest.tb_frame.f_code
        where = f"{os.path.basename(code.co_filename)}:{deepest.tb_lineno} in {code.co_name}"
    return Cause(stage, cause.kind, cause.what, where, traceback=_whole(error))


def faulting(error: BaseException, plan: Plan) -> TracebackType | None:
    """The deepest call within a file of the plan's stages; else the deepest one outside of the engine."""
    homes = {home for group in plan.groups for each in group.stages if (home := _home(each.ref))}
    chain = []
    trace = error.__traceback__
    while trace is not None:
        chain.append(trace)
        trace = trace.tb_next
    own = [each for each in chain if each.tb_frame.f_code.co_filename in homes]
    other = [each for each in chain if not each.tb_frame.f_code.co_filename.startswith((ENGINE, "<"))]
    found = own or other
    return found[-1] if found else None


def _home(ref: str) -> str:
    """The file of a component's reference "module:Class" or "/file.py:Class"."""
    home = ref.rpartition(":")[0]
    if home.endswith(".py"):
        return home
    return getattr(sys.modules.get(home), "__file__", None) or ""


def _whole(error: BaseException) -> str:
    """The traceback less the calls of the engine that led to the stage."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename.startswith(ENGINE):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    return text if len(text) <= LONGEST else "...\n" + text[-LONGEST:].partition("\n")[2]
