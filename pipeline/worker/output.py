"""Writing one output file: a temporary file beside the target, then a rename. No one ever sees half a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..contracts.codec import Codec
from ..contracts.contexts import Source
from ..contracts.frame import Frame, Item
from ..contracts.stage import Reader
from ..contracts.template import Template
from ..errors import ItemError
from ..plan.model import Plan
from .folders import Folders
from .staging import Staging

if TYPE_CHECKING:
    from .sources import Sources


class Output:
    """The current output of one writer; the WriteContext that `Writer.write` is given.

    Args:
        plan: names destination, encoder and reader (whose files are never written over).
        run: short name of the run; part of the temporary names.
        note: told the temporary name while it exists, so that the parent can sweep it after a crash; "" clears it.
        claim: asks for a name that only the frame of this index decided; raises where it is taken.
        alive: told that a long step makes progress.
    """

    def __init__(
        self, plan: Plan, run: str, *, note: Callable[[str], None], claim: Callable[[str, int], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._sources: Sources | None = None
        self.run = run
        self.note = note
        self.claim = claim
        self.alive = alive
        self._temporary = self._temporary_name = ""
        self.encoder: Codec | None = plan.encoder.build() if plan.encoder else None
        self._durable = plan.settings.durability == "each"
        folder = plan.staging_dir
        self.staging = Staging(folder, run, durable=self._durable) if folder is not None else None
        self._index = 0
        self._keeps_icc = plan.writer.build().icc != "drop"
        self.template = Template(plan.destination) if plan.destination else None
        self.item = Item(0, "")
        self.target = ""
        self._reader: Reader = plan.reader.build()
        self._real_folders: dict[str, str] = {}
        self._folders = Folders(self.template.root if self.template else None)  # of members nothing is opened
        self._folder = -1

    def begin(self, item: Item, target: str, frame: Frame | None) -> None:
        """The next output: of this frame, or (None) of the whole item. Names that the frame decides are claimed."""
        self.item, self.target = item, target
        self._index = frame.index if frame is not None else 0
        if frame is not None and frame.metadata.icc:
            self._profile(frame)
        if target or self.template is None or frame is None:
            return
        digest = source_hash(self._reader, item) if "hash" in self.template.fields else ""
        self.target = self.template.render(item, frame, digest)
        self.claim(self.target, frame.index)

    def _profile(self, frame: Frame) -> None:
        """Leave the encoder the ICC profile only where it says what the pixels mean."""
        spec, model = frame.spec, frame.metadata.icc_model
        applies = self._keeps_icc and spec.primaries != "srgb"  # else the pixels were converted by it
        if applies and model in ("", spec.base_model):
            return
        if applies:
            frame.remark(f"its ICC profile was dropped: it is for {model} pictures, and the output is {spec.model}")
        frame.metadata = replace(frame.metadata, icc=b"")

    def source(self, frame: Frame) -> Source | None:
        """The encoded picture that the frame was made of."""
        if self.encoder is None:
            return None
        if self._sources is None:
            from .sources import Sources  # few writers ask; the parent imports this module for `sweep` alone

            self._sources = Sources(self._plan)
        return self._sources.of(frame, self.encoder)

    def save(self, data: bytes | memoryview, *, mtime_ns: int | None = None) -> int:
        """Write the whole output, with this time of its last change where one is given; the bytes written.

        Raises:
            ItemError: the target is a file of the input.
            OSError: as the system says; no temporary file is left.
        """
        if self.staging is not None:
            return self.staging.save(data, self.target, self._index)
        return self._save(data, self._rename, mtime_ns)

    def _save(self, data: bytes | memoryview, publish: Callable[[], None], mtime_ns: int | None = None) -> int:
        fd = self._open_temporary()
        try:
            try:
                written = _write_all(fd, data)
                if mtime_ns is not None:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
                if self._durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            publish()
        except BaseException:
            self._remove()
            raise
        finally:
            self._forget()
        return written

    def save_beside(self, path: str, data: bytes) -> int | None:
        """Write a companion of the output, at a path where nothing is yet."""
        target, self.target = self.target, path
        try:
            return None if os.path.lexists(path) else self._save(data, self._link)
        except FileExistsError:  # meanwhile
            return None
        finally:
            self.target = target

    def temporary(self) -> str:
        """The path of a new, empty file beside the target, for an output that is written piece by piece."""
        self.discard()
        os.close(self._open_temporary())
        return self._temporary

    def commit(self) -> int:
        """Rename the temporary file to the target; its size in bytes."""
        nbytes = os.stat(self._temporary).st_size
        if self._durable:
            _sync(self._temporary)
        self._rename()
        self._forget()
        return nbytes

    def _link(self) -> None:
        """Give the temporary file its name, unless there is one of that name."""
        name, folder = self.target.rpartition("/")[2], self._folder
        try:
            os.link(self._temporary_name, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            self._rename()
            return
        self._remove()
        if self._durable:
            os.fsync(folder)

    def _rename(self) -> None:
        name, folder = self.target.rpartition("/")[2], self._folder
        os.replace(self._temporary_name, name, src_dir_fd=folder, dst_dir_fd=folder)
        if self._durable:
            os.fsync(folder)

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._temporary:
            self._remove()
            self._forget()

    def close(self) -> None:
        """Let go of the folders."""
        self._folders.close()
        if self.staging is not None:
            self.staging.close()
        if self._sources is not None:
            self._sources.close()

    def _remove(self) -> None:
        try:
            os.unlink(self._temporary_name, dir_fd=self._folder)
        except OSError:
            pass  # gone already, or the folder is; the error that brought us here is the one to report

    def _open_temporary(self) -> int:
        """A new file beside the target, open for writing."""
        target = self.target
        if os.access(target, os.F_OK):
            self._refuse_source(target)
        folder, slash, name = target.rpartition("/")
        folder = folder or slash
        temporary = f".{name}.pl-{self.run}.tmp"
        if len(name) > 50 and len(os.fsencode(name)) > 200:
            temporary = f".{blake2b(os.fsencode(name), digest_size=8).hexdigest()}.pl-{self.run}.tmp"
        self._temporary_name = temporary
        self._temporary = f"{folder}/{temporary}" if folder else temporary
        self.note(self._temporary)
        try:
            return self._create(temporary, folder)
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        self._temporary = ""
        self.note("")

    def _create(self, temporary: str, folder: str) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._folder = self._folders.fd(folder)
        try:
            return os.open(temporary, flags, 0o666, dir_fd=self._folder)
        except FileNotFoundError:  # the folder was removed, and perhaps made anew
            self._folders.forget(folder)
            self._folder = self._folders.fd(folder)
        except FileExistsError:  # left by a worker of this run that was killed before it could say so
            os.unlink(temporary, dir_fd=self._folder)
        return os.open(temporary, flags, 0o666, dir_fd=self._folder)

    def _refuse_source(self, target: str) -> None:
        """An output that would replace an input is refused, whatever links lead to it."""
        try:
            same = os.path.samefile(target, self.item.source)
        except OSError:
            same = False  # one of them is gone by now, or was never a file
        if same or self._reader.holds(self._real(target), self.template.root if self.template else None):
            raise ItemError(
                f"would overwrite {target!r}, a file of the input", remedy="choose another output folder or name"
            )

    def _real(self, target: str) -> str:
        folder, _, name = target.rpartition("/")
        real = self._real_folders.get(folder)
        if real is None:
            if len(self._real_folders) > 1000:
                self._real_folders.clear()
            real = self._real_folders[folder] = os.path.realpath(folder or ".")
        return f"{real}/{name}"


def _write_all(fd: int, data: bytes | memoryview) -> int:
    total = written = len(data)
    rest = memoryview(data)
    while True:
        count = os.write(fd, rest)
        if count == written:
            return total
        rest, written = rest[count:], written - count


def _sync(path: str) -> None:
    """Wait until a file, or a folder with the names in it, is on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sweep(temporary: str, run: str, root: str | None) -> None:
    """Remove the temporary file of a worker that was killed. Called by the parent, after the worker was reaped.

    The worker wrote the path, and may have been taken over: only a temporary file of this run below `root` goes.
    """
    folder, slash, name = temporary.rpartition("/")
    if f".pl-{run}-" not in name or not name.endswith(".tmp"):
        return
    folders = Folders(root)
    try:
        os.unlink(name, dir_fd=folders.fd(folder or slash, make=False))
    except (OSError, ItemError):
        pass  # it was renamed in its last moment, or never made
    finally:
        folders.close()


def source_hash(reader: Reader, item: Item) -> str:
    """BLAKE2b of the source's bytes, 16 hex digits: what `{hash}` becomes."""
    digest = blake2b(digest_size=8)
    with reader.open_source(item) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
