"""The intake: items as they are found, each with its output name claimed before anything is read."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ..contracts.cause import Cause
from ..contracts.frame import Item
from ..contracts.stage import Reader
from ..contracts.template import Template
from ..errors import ItemError
from ..journal.verdict import BATCH, IGNORED, QUARANTINED_BEFORE, SKIPPED_BEFORE, UP_TO_DATE
from ..plan.model import Plan
from ..plan.shard import digest_of_name
from .claims import Claims, folds_case
from .sampling import sampled

if TYPE_CHECKING:
    from ..journal import Journal, Looked
    from ..journal.asking import Asking
    from .watching import Watched

NOT_DONE = ("failed", "quarantined")
FIRST = 16  # items of the first batch: the workers wait for it


class Found(NamedTuple):
    """An item at the intake.

    Attributes:
        target: its output path; "" where none is written or the frame decides it.
        outcome: a name of the ledger's counts for an item that is not let in; "" lets it in.
        cause: why it is not let in; None for one that is, or that is up to date.
        reason: why the journal has it done; "" where there is no journal.
        ticket: of its claim in the journal; 0 where there is none.
    """

    item: Item
    target: str
    outcome: str = ""
    cause: Cause | None = None
    reason: str = ""
    ticket: int = 0


class Intake:
    """Discovers the items of a plan, one at a time.

    Args:
        plan: names the reader and the template of the outputs.
        limit: the most items let in.
        claims: kept by the caller where frames claim names too.
        journal: asked what was done before; None where nobody keeps one.
        asking: a journal that is only looked at, and told nothing.
        watched: where items come from for ever, and the same one more than once; None asks the reader.
        only: the one input to take, by its path or by its name in a journal; "" takes all.
        probe: whether a file may be made for a moment in the output folder, to see what it takes for one name.

    Attributes:
        incomplete: whether a folder or an archive could not be looked through, so what is in it was not found.
        passed: how many items were met that belong to other shards; met: a sum over the names of all of them.
    """

    def __init__(
        self, plan: Plan, *, limit: int | None = None, claims: Claims | None = None, probe: bool = True,
        journal: Journal | None = None, asking: Asking | None = None,
        watched: Watched | None = None, only: str = "",
    ) -> None:  # fmt: skip
        self.reader: Reader = plan.reader.build()
        self.template = Template(plan.destination) if plan.destination else None
        self._archives = Template(plan.archives, of_archives=True) if plan.archives is not None else None
        self._gives = plan.gives
        self._sample = plan.sample
        self.limit = limit
        self.claims = claims or Claims()
        self.journal = journal
        self.asking = journal or asking
        self.watched = watched
        self.only = only
        self.incomplete = False
        self.passed = self.met = 0
        self._shard = plan.shard
        self.without = plan.output_root
        self._here = os.getcwd() + "/"
        self._root = None if self.without is None else os.path.abspath(self.without) + "/"
        inputs = self.reader.root
        self._within = self._root is not None and (
            inputs is None or (os.path.abspath(inputs) + "/").startswith(self._root)
        )
        self._folds = self.without is not None and self._archives is None and folds_case(self.without, probe=probe)

    @property
    def limited(self) -> bool:
        """Whether only a part of the input was asked for."""
        return self.limit is not None or bool(self.only) or self.watched is not None

    def entries(self) -> Iterator[Found]:
        """What is found, in input order. A file that this run writes is not found again."""
        items = self._looked_over(self.named(self.only) if self.only else self._discovered())
        found = self._judged(items) if self.asking is not None else map(self._claimed, self._mine(items))
        count = 0
        for one in found:
            yield one
            count += one.outcome != "up_to_date"
            if count == self.limit:
                return

    def _looked_over(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same, noting whether one stands for others that could not be looked at."""
        for item in items:
            self.incomplete = self.incomplete or item.stands_for_others
            yield item

    def _discovered(self) -> Iterator[Item]:
        if self.watched is not None:
            return self.watched.items()
        items = self.reader.discover(self.without)
        if self._sample.count == "all":
            return items
        return sampled(self.reader, self.reader.discover(self.without), items, self._sample)

    def named(self, name: str) -> Iterator[Item]:
        """The one item that a path leads to, or that has this name in a journal; nothing where there is none."""
        path, below = self._absolute(os.path.normpath(name)), os.path.normpath(name)
        for item in self.reader.discover(self.without):
            if self.reader.key(item) == below or os.path.normpath(self._absolute(item.source)) == path:
                yield item
                return

    def _judged(self, items: Iterator[Item]) -> Iterator[Found]:
        """The same with a journal, which is asked of many at a time; of one where the next may be long in coming.

        What is up to date is not claimed anew: the journal holds its claim, and no other item is let in for the name.
        """
        assert self.asking is not None
        one_by_one = self.reader.waits or self.watched is not None
        size = 1 if one_by_one else FIRST
        while batch := list(islice(items, size)):
            size = 1 if one_by_one else BATCH
            named = list(self._mine(batch))
            packs = self._archives is not None
            asked = [(one.item, "" if packs else one.target) for one in named if not one.outcome]
            looked = iter(self.asking.look(asked))  # of a member nothing lies there
            for one in named:
                if one.outcome:
                    if self._is_news(one):
                        yield from self._refused(one)
                    continue
                answer = next(looked)
                if self._told_before(answer):
                    continue
                if answer.verdict.outcome == "up_to_date" and not (self._within or self._gives or answer.adopted):
                    yield self._untouched(one, answer)
                else:
                    claimed = self._once(self._claimed(one), answer)
                    yield from self._refused(claimed) if claimed.outcome else self._known(claimed, answer)

    def _is_news(self, one: Found) -> bool:
        """Whether a refused item was not told of before: a watched folder is looked through often."""
        return self.watched is None or one.outcome in NOT_DONE or self.watched.is_news(one.item)

    def _told_before(self, looked: Looked) -> bool:
        """The same of an item that the journal was asked about."""
        if self.watched is None or not looked.verdict.outcome or looked.adopted:
            return False
        if looked.verdict in (UP_TO_DATE, SKIPPED_BEFORE, QUARANTINED_BEFORE):  # its row says so: told when it ended
            return self.watched.looks > 0
        return looked.verdict.outcome == "skipped" and not self.watched.is_news(looked.item)

    def _known(self, one: Found, looked: Looked) -> Iterator[Found]:
        """An item that the journal was asked about, with its name claimed."""
        outcome, reason, _ = looked.verdict
        if not outcome:
            yield one._replace(reason=reason, ticket=self.journal.let_in(looked) if self.journal else 0)
        elif outcome == "up_to_date":
            yield self._untouched(one, looked)
        elif outcome == IGNORED.outcome:
            self._met(looked)
        else:
            yield from self._refused(one._replace(outcome=outcome, cause=looked.cause))

    def _once(self, one: Found, looked: Looked) -> Found:
        """Where the journal keeps what is made of an input, under its name, another item of that name is refused."""
        if one.outcome or not self._gives or self.watched is not None:
            return one
        first = self.claims.claim(f"\0{os.fsdecode(looked.key)}", str(one.item.number))
        if not first:
            return one
        return one._replace(outcome="failed", cause=Cause("", "collision", "the same input came before in this run"))

    def _met(self, looked: Looked) -> None:
        if self.journal is not None:
            self.journal.met(looked)

    def _untouched(self, one: Found, looked: Looked) -> Found:
        self._met(looked)
        if looked.adopted and self.journal is not None:
            self.journal.adopted(looked)
        return Found(one.item, one.target, looked.verdict.outcome, None, looked.verdict.reason)

    def _refused(self, one: Found) -> Iterator[Found]:
        """An item that is not let in; the journal keeps what failed."""
        if self.journal is not None and one.outcome in NOT_DONE and one.cause is not None:
            self.journal.refused(one.item, one.outcome, one.cause)
        yield one

    def _mine(self, items: Iterable[Item]) -> Iterator[Found]:
        """Those of this run, each with its output name or with the reason why it has none."""
        for item in items:
            if self._counts(item):
                one = self._named(item)
                digest = digest_of_name(self._output_of(one)) if self._shard is not None else 0
                self.met = (self.met + digest) % 2**64
                if self._shard is None or digest % self._shard.of == self._shard.number - 1:
                    yield one
                else:
                    self.passed += 1

    def _output_of(self, one: Found) -> str:
        """What tells whose an item is: its output's name, as far as the item decides that, or else its own."""
        if one.outcome or self.template is None:
            return str(self.reader.key(one.item))
        name = one.target or self.template.render(one.item)
        return name if self._archives is not None else name.removeprefix(self.template.root)

    def _counts(self, item: Item) -> bool:
        return bool(item.skip or item.fails) or not self._is_output(item)

    def _is_output(self, item: Item) -> bool:
        """Whether this run has named the file as an output; only where outputs may lie among the inputs."""
        if self._root is None or self._archives is not None:
            return False
        source = self._absolute(item.source)
        return source.startswith(self._root) and self.claims.has(self._key(source))

    def _named(self, item: Item) -> Found:
        """The item with its output name, or with the reason why it has none."""
        if item.skip:
            return Found(item, "", "skipped", Cause("", "skip", item.skip))
        if item.fails:
            return Found(item, "", "failed", Cause("", "input", item.fails))
        if self.template is None or not (self.template.known_at_intake or self._archives is not None):
            return Found(item, "")
        try:
            if self._archives is not None:
                self._archives.render(item)
            return Found(item, self.template.render(item) if self.template.known_at_intake else "")
        except ItemError as error:
            return Found(item, "", "failed", Cause("", "collision", str(error)))

    def admit(self, item: Item) -> Found:
        """The item with its output name claimed, or with the reason why it is not let in."""
        return self._claimed(self._named(item))

    def _claimed(self, one: Found) -> Found:
        """The item with its output name claimed, or with the reason why it is not let in."""
        if one.outcome:
            return one
        refused = self.claim(one.target, one.item) if one.target else ""
        return one._replace(outcome="failed", cause=Cause("", "collision", refused)) if refused else one

    def claim(self, target: str, item: Item, index: int = -1) -> str:
        """Claim a name for an item, or for one of its frames; "" or why it is refused.

        Called by discovery, or (for names that only the frame decides) from the loop. A retry claims its own again.
        """
        number = item.number if self.watched is None else 0  # of a file that comes again, the source tells
        name = self._absolute(target)
        if self._archives is not None:  # names of members count within their archive
            name = f"{self._archives.render(item)}:{target}"
        owner = self.claims.claim(self._key(name), f"{number}:{index}:{item.source}")
        if not owner:
            return ""
        first, _, source = owner.split(":", 2)
        renamed = self.watched is not None and self.reader.is_gone(source)
        if renamed:  # the name goes over to what is there
            self.claims.give(self._key(self._absolute(target)), f"{number}:{index}:{item.source}")
            return ""
        itself = source == item.source if self.watched is not None else int(first) == item.number
        other = "another frame of itself" if itself else repr(source)
        fold = ", on a disk that does not tell A from a" if self._folds else ""
        pair = os.path.splitext(source)[0] == os.path.splitext(item.source)[0] and not itself
        twins = "; they differ in their endings only, as RAW+JPEG pairs and Live Photos do: put {ext} into the path"
        return f"collides with {other}: both would be {target!r}{fold}{twins if pair else ''}"

    def _key(self, path: str) -> str:
        """What the file system takes for this name: letters of one case, and on macOS accents in one spelling."""
        if not self._folds:
            return path
        return (unicodedata.normalize("NFC", path) if sys.platform == "darwin" else path).lower()

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else self._here + path
