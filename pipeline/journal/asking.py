"""A journal that is only looked at: what `why` and `--dry-run` ask, while a run may go on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ..contracts.frame import Item
from ..contracts.template import Template
from ..plan.model import Plan
from . import fingerprint, packed
from .lookup import Looked, Lookup
from .registering import job_name
from .run_options import USUAL, Options
from .store import new_in_memory, path_in, refusals
from .taking_in import is_kept, open_past


class Asking:
    """The journal of a plan as it is now; an empty one where there is none. A context manager.

    Attributes:
        new: whether there is none yet.

    Raises:
        EnvironmentRefusal: it cannot be read, is damaged or newer than this program.
    """

    def __init__(self, plan: Plan, options: Options = USUAL) -> None:
        assert plan.job is not None
        assert plan.state_dir is not None
        self.options = options
        self.path = path_in(plan.state_dir)
        self.new = not is_kept(plan.state_dir)
        self.db = new_in_memory() if self.new else open_past(plan.state_dir)
        try:
            self.lookup = self._lookup(plan)
            if plan.staging_dir is not None and plan.output_root is not None and not self.new:
                self.lookup.lost = packed.lost_items(self.db, self.job, plan.staging_dir, plan.output_root)
        except BaseException:
            self.db.close()
            raise

    def _lookup(self, plan: Plan) -> Lookup:
        assert plan.job is not None
        steps = fingerprint.steps_of(plan)
        reader = plan.reader.build()
        root = b"" if reader.root is None else os.fsencode(os.path.realpath(reader.root))
        with refusals(self.path):
            self.job = self._number("SELECT id FROM jobs WHERE template = ?", job_name(plan.job))
            chain = self._number("SELECT id FROM chains WHERE hash = ?", fingerprint.hash_of(steps))
            number = 0 if reader.root is None else self._number("SELECT id FROM roots WHERE path = ?", root)
            return Lookup(
                self.db, reader, Template(plan.job), plan.overwrite, self.options, steps, job=self.job,
                chain=chain, root=number,
            )  # fmt: skip

    def _number(self, query: str, value: str | bytes) -> int:
        found = self.db.execute(query, (value,)).fetchone()
        return int(found[0]) if found else -1

    def look(self, found: Sequence[tuple[Item, str]]) -> list[Looked]:
        """What would follow for items with their output names."""
        with refusals(self.path):
            return self.lookup.look(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()
