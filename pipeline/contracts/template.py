"""Path templates of outputs: `out/{dir}/{stem}.jpg`. Pure text; no file is touched here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ..errors import ItemError, UsageError
from .frame import Frame, Item

ITEM_FIELDS = ("dir", "stem", "ext", "name", "member", "archive")
COLUMN = "columns."  # before the name of a column of a list
SHARD = "shard"  # number of an archive of several; stays as it is until they are packed
FRAME_FIELDS = ("index", "pts", "row", "column", "width", "height", "hash")
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Template:
    """An output path with fields in braces.

    `{dir} {stem} {ext} {name}` come from the item and are known before it is read, as are `{archive}` (name of the
    archive that it is a member of, without its extension), `{member}` (path in it) and `{columns.X}` (what column X of
    a list says of it); `{index} {pts} {row} {column} {width} {height} {hash}` come from the frame and are known in the
    writer. `{dir}` keeps the folders below the input's root; `{row}` and `{column}` are of frames that were cut from a
    picture only. `./` and `//` fold away, so a path has one spelling.

    Attributes:
        of_archives: whether it names archives, which may be numbered by `{shard}`.

    Raises:
        UsageError: a field that is not known, or a brace that is not closed.
    """

    text: str
    of_archives: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _one_spelling(self.text))
        for field in _FIELD.findall(self.text):
            known: tuple[str, ...] = (*ITEM_FIELDS, SHARD) if self.of_archives else ITEM_FIELDS + FRAME_FIELDS
            if field not in known and not (field.startswith(COLUMN) and len(field) > len(COLUMN)):
                names = " ".join(f"{{{name}}}" for name in (*known, f"{COLUMN}NAME"))
                raise UsageError(f"unknown template field {{{field}}}", limit=f"known are {names}")
        if re.search(r"[{}]", _FIELD.sub("", self.text)):
            raise UsageError(f"a brace of the template {self.text!r} has no partner")
        if ".." in self.text.removeprefix(self.root).split("/"):
            raise UsageError(
                f"the template {self.text!r} leads out of its folder", limit="`..` may stand before a field"
            )

    @cached_property
    def fields(self) -> frozenset[str]:
        return frozenset(_FIELD.findall(self.text))

    @cached_property
    def known_at_intake(self) -> bool:
        """Whether the item alone decides the path."""
        return not self.fields & set(FRAME_FIELDS)

    @cached_property
    def _is_constant(self) -> bool:
        """Whether it names one set of archives, whatever the item."""
        return self.of_archives and self.fields <= {SHARD}

    @property
    def root(self) -> str:
        """The folder that no field changes: everything before the first field, cut at its last slash."""
        head = self.text.split("{", 1)[0] if "{" in self.text else self.text
        return head.rpartition("/")[0] or ("/" if head.startswith("/") else ".")

    @property
    def format(self) -> str:
        """The extension in lower case, "" where the template ends in a field such as `{ext}`."""
        name = self.text.rpartition("/")[2]
        ext = name.rpartition(".")[2] if "." in name else ""
        return "" if "{" in ext else ext.lower()

    @cached_property
    def _ups(self) -> int:
        """How many `..` the root has: all that a path may have."""
        return self.root.split("/").count("..")

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        """Literal text and field names in turn, text first."""
        return tuple(_FIELD.split(self.text))

    def render(self, item: Item, frame: Frame | None = None, digest: str = "") -> str:
        """The path for an item, or for one of its frames; empty folders fold away.

        Raises:
            ItemError: the name would leave its folder (`..`, a NUL), or the item or its frame has no such field.
        """
        if self._is_constant:
            return self.text
        _, source, folder, name = item[:4]
        if ("." in folder and ".." in folder.split("/")) or name in ("", ".", "..") or "\0" in name:
            raise ItemError(f"the output name for {source!r} would leave its folder")
        parts = self._parts
        path = parts[0]
        for n in range(1, len(parts), 2):
            path += _value(parts[n], item, frame, digest) + parts[n + 1]
        if (not folder and "dir" in self.fields) or folder[:1] == "/" or "//" in path or "/./" in path:
            head = "/" if parts[0].startswith("/") else ""  # an empty {dir} at the front does not lead to the root
            path = head + "/".join(part for part in path.split("/") if part not in ("", "."))
        if ".." in path and path.split("/").count("..") > self._ups:  # fields and dots that came together
            raise ItemError(f"the output name for {source!r} would leave its folder")
        return path


def _one_spelling(text: str) -> str:
    text = re.sub(r"/(?:\.?/)+", "/", text)
    return text.removeprefix("./") if len(text) > 2 else text


def _value(field: str, item: Item, frame: Frame | None, digest: str) -> str:
    if field == "dir":
        return item.dir
    if field == "stem":
        return item.stem
    if field == "ext":
        return item.ext
    if field == "name":
        return item.name
    if field == "hash":
        return digest
    if field in ("member", "archive") or field.startswith(COLUMN):
        return _told(field, item)
    if frame is None:
        return f"{{{field}}}"
    if field == "index":
        return f"{frame.index:06d}"
    if field == "pts":
        return "" if frame.pts is None else str(frame.pts)
    if field in ("row", "column"):
        return _place(field, frame.row if field == "row" else frame.column)
    return str(frame.spec.width if field == "width" else frame.spec.height)


def _told(field: str, item: Item) -> str:
    """What an archive or a list says of the item."""
    if field == "member" and item.archive:
        return item.member
    if field == "archive" and item.archive:
        return archive_stem(item.archive)
    if not field.startswith(COLUMN):
        raise ItemError(f"the path has {{{field}}}, and the item is not a member of an archive")
    name = field.removeprefix(COLUMN)
    text = dict(item.columns).get(name)
    if text is None:
        known = ", ".join(known for known, _ in item.columns) or "none"
        raise ItemError(f"the path has {{{field}}}, and the item has no column {name!r}", limit=f"it has {known}")
    if not text.strip() or "/" in text or text in (".", ".."):
        raise ItemError(f"the path has {{{field}}}, and {text!r} is not a name for a file or folder")
    return text


def folder_of(text: str) -> str:
    """The folder of the outputs, or of the archives, that a template names."""
    return Template(text, of_archives=f"{{{SHARD}}}" in text).root


def archive_stem(path: str) -> str:
    """The name of an archive without its extensions: `a/b.tar.gz` is "b"."""
    name = path.rpartition("/")[2]
    head, dot, tail = name.rpartition(".")
    head = head if dot and head else name
    return head[:-4] if head.lower().endswith(".tar") and tail.lower() != "tar" and len(head) > 4 else head


def _place(field: str, number: int | None) -> str:
    if number is None:
        raise ItemError(f"the path has {{{field}}}, and the frame has no {field}", remedy="use {index} in the path")
    return f"{number:03d}"
