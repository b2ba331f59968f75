"""The database of one run, opened: that of the output, or of a shard one of its own, made of all that is known."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack

from ..contracts.stage import Reader
from ..contracts.template import Template
from ..errors import EnvironmentRefusal, UsageError
from ..plan.model import Plan
from . import fingerprint
from .given import prepare
from .lock import RunLock
from .lookup import Lookup
from .preflight import refuse_new_journal, refuse_standing
from .prune import Pruning
from .registering import begun, never_began, register
from .run_options import Options, Told
from .segment import BEGIN, END, FOLDER, ShardSegment, segment_path, segments_in
from .store import make_folder, open_to_read, open_to_write, path_in, refusals
from .sweep import sweep_dead
from .taking_in import copy_journal, take_in
from .temporary_home import TemporaryHome


class OpenJournal:
    """The output locked, the database open, the run written down, what dead runs left swept.

    A plain run takes what shards wrote into the journal of the output. A shard leaves that as it is: it works with a
    database in a temporary folder, made of the journal and of all segments, and writes to a segment of its own.

    Attributes:
        path: of what stays, for messages. db, reading: the connection that writes, and one that only reads.
        numbers: of this run. swept: temporary files of dead runs that were removed. segment: of a shard.

    Raises:
        EnvironmentRefusal: another run is at work there, or the journal cannot be used.
        UsageError: outputs stand there that no journal knows.
    """

    def __init__(self, plan: Plan, options: Options, told: Told, token: str) -> None:
        assert plan.state_dir is not None
        assert plan.output_root is not None
        self.plan, self._state, self._root = plan, plan.state_dir, plan.output_root
        self._options = options
        self.reader: Reader = plan.reader.build()
        self.segment: ShardSegment | None = None
        self.path = path_in(self._state)
        self.durability = plan.settings.durability
        self._held = ExitStack()
        self._home = self._state  # of the database
        try:
            make_folder(self._state)
            if plan.shard is not None:
                self.path = segment_path(self._state, plan.shard.name)
                make_folder(os.path.join(self._state, FOLDER))
            self._held.callback(RunLock(self._state, self._root, plan.shard).release)
            self.db = self._plain() if plan.shard is None else self._sharded()
            self._register(told, token)
            self.reading = open_to_read(self._home)
            self._held.callback(self.reading.close)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database and let go of the output; safe to call twice."""
        self._held.close()

    # ---- two ways to a database --------------------------------------------------------------------------------

    def _plain(self) -> sqlite3.Connection:
        db, new = open_to_write(self._state, full=self.durability != "none")
        self._held.callback(db.close)
        if segments := segments_in(self._state):
            with refusals(self.path):
                take_in(db, segments, left_open=lambda _: True)
            shutil.rmtree(os.path.join(self._state, FOLDER), ignore_errors=True)
        elif new and self._asks_standing:
            refuse_new_journal(self.plan, self.reader, db, self.path)
        return db

    def _sharded(self) -> sqlite3.Connection:
        temporary_home = TemporaryHome()
        self._held.callback(temporary_home.close)
        self._home = temporary_home.path
        db, _ = open_to_write(self._home, full=False)
        self._held.callback(db.close)
        db.execute("PRAGMA synchronous = OFF")  # what must outlive this process lies in the segment
        segments, own = segments_in(self._state), self.path
        others = own[own.rindex("-of-") :]
        with refusals(self.path):
            known = copy_journal(self._state, db)
            # Shards of the same number have other items; 60,000 items a second are taken in.
            wanted = [path for path in segments if path == own or not path.endswith(others)]
            take_in(db, wanted, left_open=lambda run: run.path == own)
        if not (known or segments) and self._asks_standing:
            self._refuse_standing()
        self.segment = ShardSegment(self.path, durable=self.durability != "none")
        self._held.callback(self.segment.close)
        return db

    @property
    def _asks_standing(self) -> bool:
        return self.plan.overwrite == "own" and not self._options.adopt

    def _refuse_standing(self) -> None:
        """Outputs that no journal knows; unless another shard began meanwhile, and they are its own."""
        try:
            refuse_standing(self.plan, self.reader)
        except UsageError:
            if not segments_in(self._state):
                raise

    # ---- the run -----------------------------------------------------------------------------------------------

    def _register(self, told: Told, token: str) -> None:
        plan, options, db = self.plan, self._options, self.db
        with refusals(self.path):
            self.swept = sweep_dead(db, self._root)
            self.steps = fingerprint.steps_of(plan)
            began = begun(plan, self.reader.root, self.steps, told, token)
            self.numbers = register(db, plan, began, options.retry)
            try:
                if plan.gives:
                    prepare(db, plan, self.numbers.job)
                self.pruning = (
                    Pruning(db, self.numbers.job, self.reader, self._root, force=options.force)
                    if options.prune else None
                )  # fmt: skip
            except BaseException:
                never_began(db, self.numbers.run)
                raise
        if self.segment is not None:
            self._tell(BEGIN, *began)

    def _tell(self, word: str, *values: object) -> None:
        """A line for the segment."""
        if self.segment is None:
            return
        try:
            self.segment.write([(word, *values)])
        except OSError as error:
            what = f"the segment of the shard cannot be written: {error.strerror}"
            raise EnvironmentRefusal(what, where=self.path, remedy="free space and run again") from error

    def ended(self, ended_ns: int, exit_code: int, report: str) -> None:
        """Write the end of the run where a later one finds it."""
        self._tell(END, ended_ns, exit_code, report)

    def lookup(self) -> Lookup:
        """What answers whether items are up to date."""
        assert self.plan.job is not None
        job, chain, root, _ = self.numbers
        with refusals(self.path):
            return Lookup(
                self.reading, self.reader, Template(self.plan.job), self.plan.overwrite, self._options, self.steps,
                job=job, chain=chain, root=root,
            )  # fmt: skip
