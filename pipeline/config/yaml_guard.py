"""ruamel's parser behind bounds: every event is looked at before ruamel's composer gets it, so hostile text is refused
while it is read, and no tree is ever deeper or larger than a config may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..contracts.problem import ConfigError, Mark, Problem

MAX_DEPTH = 32
MAX_ALIASES = 64
MAX_NODES = 10_000


@dataclass(slots=True)
class _Measure:
    """A value and what stands in it so far, aliases written out."""

    anchor: str | None
    nodes: int = 1
    height: int = 1


class Guard:
    """The parser's face to ruamel's composer (`check_event`, `peek_event`, `get_event`), with bounds and problems.

    Attributes:
        problems: what is wrong and leaves the text readable.
        last: the last place that was read well.
    """

    def __init__(self, place: Callable[[Any], Mark], start: Mark) -> None:
        """`place` gives the mark of an event; `start` is that of the text."""
        self.place, self.last = place, start
        self.problems: list[Problem] = []
        self._parser: Any = None
        self._loader: Any = None
        self._documents = self._aliases = self._nodes = 0
        self._open: list[_Measure] = []
        self._anchors: dict[str, _Measure | None] = {}  # None: the value is not at its end

    def over(self, loader: Any) -> Guard:
        """Stand before the parser of a loader: what ruamel's YAML calls in the place of its parser class."""
        from ruamel.yaml.parser import Parser

        self._loader, self._parser = loader, Parser(loader)
        return self

    def check_event(self, *choices: Any) -> bool:
        """Whether the next event is one of these; see ruamel's parser."""
        return bool(self._parser.check_event(*choices))

    def peek_event(self) -> Any:
        """The next event, which stays the next; see ruamel's parser."""
        return self._parser.peek_event()

    def get_event(self) -> Any:
        """The next event, looked at. Raises ConfigError where a bound is passed."""
        event = self._parser.get_event()
        match type(event).__name__:
            case "ScalarEvent":
                self._enter(event)
                self._leave()
            case "SequenceStartEvent" | "MappingStartEvent":
                self._enter(event)
            case "SequenceEndEvent" | "MappingEndEvent":
                self._leave()
            case "AliasEvent":
                self._alias(event)
            case "DocumentStartEvent":
                self._begin(event)
        return event

    def dispose(self) -> None:
        """The end of the text, or of the attempt; see ruamel's parser."""
        self._parser.dispose()

    def _begin(self, event: Any) -> None:
        self.last = self.place(event)
        self._documents += 1
        if self._documents > 1:
            raise self._refused("a second document begins here", "want one document in a config")
        if event.version not in (None, (1, 2)):
            self._note(f"YAML {event.version[0]}.{event.version[1]} is asked for", "want YAML 1.2")

    def _enter(self, event: Any) -> None:
        self._reach(event, 1)
        self._count(1)
        if event.ctag is not None and str(event.ctag) not in ("", "None"):
            tag = str(event.ctag).replace("tag:yaml.org,2002:", "!!")
            self._note(f"the tag {tag}", "tags have no meaning here", "remove it")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Measure(event.anchor))

    def _leave(self) -> None:
        done = self._open.pop()
        if done.anchor is not None:
            self._anchors[done.anchor] = done
        self._add(done)

    def _alias(self, event: Any) -> None:
        self.last, name = self.place(event), event.anchor
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._refused("too many aliases", f"want at most {MAX_ALIASES}")
        if name not in self._anchors:
            self._note(f"the alias *{name} has no anchor before it", f"want &{name} on a value above")
            self._loader.composer.anchors[name] = _nothing(event)
            return
        stands_for = self._anchors[name]
        if stands_for is None:
            raise self._refused(f"the alias *{name} stands inside what it stands for")
        self._reach(event, stands_for.height)
        self._count(stands_for.nodes)
        self._add(stands_for)

    def _reach(self, event: Any, height: int) -> None:
        self.last = self.place(event)
        if len(self._open) + height > MAX_DEPTH:
            raise self._refused("the config is nested too deeply", f"want at most {MAX_DEPTH} levels")

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._refused("the config is too large", f"want at most {MAX_NODES} values, aliases written out")

    def _add(self, inner: _Measure) -> None:
        """A value is at its end: it counts for the one that it stands in."""
        if self._open:
            outer = self._open[-1]
            outer.nodes += inner.nodes
            outer.height = max(outer.height, inner.height + 1)

    def _note(self, what: str, want: str = "", remedy: str = "") -> None:
        self.problems.append(Problem(self.last, what, want, remedy))

    def _refused(self, what: str, want: str = "") -> ConfigError:
        return ConfigError([*self.problems, Problem(self.last, what, want)])


def _nothing(event: Any) -> Any:
    """What an alias without an anchor stands for, so that the rest can still be read."""
    from ruamel.yaml.nodes import ScalarNode

    return ScalarNode(None, "", event.start_mark, event.end_mark)
