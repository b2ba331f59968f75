"""What the engine lends to `Reader.read`: bytes of a file, and pictures announced at the smallest scale needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ..contracts.codec import Codec, DecodeContext, Header
from ..contracts.contexts import Part, ReadContext, Which
from ..contracts.frame import NO_METADATA, Item, Metadata
from ..contracts.reducer import Reducer
from ..contracts.spec import Spec
from ..contracts.stage import Transform
from ..errors import ItemError, MissingCodec
from ..plan.model import Plan
from ..transport.records import SIDECAR_NBYTES
from .known_formats import KnownFormats
from .source_bytes import SourceBytes

KNOWN_SPECS = 256
BLOCKS = ("ICC profile", "EXIF block", "XMP packet", "IPTC block", "comment", "density")


class Loading:
    """The ReadContext of one worker; implements the protocol of that name.

    Args:
        plan: names the codecs, and the bounds that are checked before any pixel is decoded.
        smallest: asked how small a picture of this Spec may be decoded by this codec.
        remark: told what the user should know of the item in work.
        alive: told that a long step makes progress.

    Attributes:
        fetched: waits for the bytes of the item in work, where a thread fetches them; None where none does.
    """

    def __init__(
        self,
        plan: Plan,
        smallest: Callable[[Spec, Codec], Spec],
        remark: Callable[[str], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.smallest = smallest
        self.remark = remark
        self.alive = alive
        self._with_icc: dict[Spec, Spec] = {}
        self.limits = plan.settings.limits
        stages = [stage.build() for group in plan.groups for stage in group.stages]
        self._tells_size = plan.reducing > 0
        self._tells_digest = any(stage.asks_digest for stage in stages if isinstance(stage, Reducer))
        self._takes_hdr = any(stage.takes_hdr for stage in stages if isinstance(stage, Transform))
        self.nbytes_read = 0
        self._full: Spec | None = None
        self._decode: Spec
        self._formats = KnownFormats(plan.codecs)
        self._failing, self._salvaging = DecodeContext(remark=remark), DecodeContext(salvage=True, remark=remark)
        self._bytes = SourceBytes(self.limits)
        self.fetched: Callable[[], memoryview] | None = None

    def took(self, nbytes: int) -> None:
        """Count bytes that the reader read by itself."""
        self.nbytes_read += nbytes

    def bytes_of(self, item: Item, load: Callable[[Item, ReadContext], memoryview]) -> memoryview:
        """The bytes of the item in work (see ReadContext)."""
        if self.fetched is None:
            return load(item, self)
        data = self.fetched()
        self.nbytes_read += len(data)
        return data

    def load(self, path: str) -> memoryview:
        """The bytes of a regular file, in one buffer that is reused (see ReadContext)."""
        data = self._bytes.load(path)
        self.nbytes_read += len(data)
        return data

    def load_from(self, nbytes: int, read_into: Callable[[memoryview], int]) -> memoryview:
        """Bytes that something else reads, into the same buffer (see ReadContext)."""
        data = self._bytes.load_from(nbytes, read_into)
        self.nbytes_read += len(data)
        return data

    def picture(self, data: memoryview, *, salvage: bool = False, previews: bool = False) -> Part:
        """The first frame of an encoded picture, to be decoded at the smallest scale the chain takes."""
        loaded, data = data, self._preview(data) if previews else data
        codec, header = self._header(data)
        spec, metadata = header.spec, self._carried(header.metadata)
        for remark in header.remarks:
            self.remark(remark)
        if header.frames > 1:
            self.remark("holds several frames or pages: only the first was read")
        self._refuse_hdr(spec)
        if metadata.icc:
            spec, metadata = self._coloured(spec, metadata)
        if spec is not self._full:  # checked and asked before for this very Spec, as for most files of a folder
            self.check(spec)
            self._full, self._decode = spec, self.smallest(spec, codec)
        how = self._salvaging if salvage else self._failing
        part = Part(self._decode, partial(codec.decode, data, self._decode, how=how), metadata)
        if self._tells_size:
            part.source_size = spec.size
        if self._tells_digest:
            part.keep_digest(loaded)
        return part

    def pictures(
        self, data: memoryview, which: Which, *, salvage: bool = False, previews: bool = False
    ) -> Iterator[Part]:
        """Those asked for of a file that may hold several, at full size; in an animation with their times."""
        loaded, data = data, self._preview(data) if previews else data
        codec, header = self._header(data)
        for remark in header.remarks:
            self.remark(remark)
        wanted = {"first": 0, "middle": header.frames // 2}.get(str(which), which)
        if isinstance(wanted, int) and wanted >= header.frames:
            raise ItemError(f"has no picture {wanted}", limit=f"it holds {header.frames}, numbered from 0")
        metadata, clock, known = self._carried(header.metadata), 0, dict[Spec, Spec]()
        for number, each in enumerate(codec.pictures(data, header, self._salvaging if salvage else self._failing)):
            spec = known.setdefault(each.spec, each.spec)  # the same object for the same Spec: quick to recognise
            if wanted in ("all", number):
                self._refuse_hdr(spec)
                self.check(spec)
                told = metadata
                if metadata.icc:
                    spec, told = self._coloured(spec, metadata)
                part = Part(spec, each.fill, told)
                part.source_size = spec.size if self._tells_size else (0, 0)
                if self._tells_digest and number in (0, wanted):
                    part.keep_digest(loaded)
                if header.plays is not None and wanted == "all":
                    part.pts, part.duration, part.time_base, part.plays = (
                        clock,
                        each.duration_ms,
                        (1, 1000),
                        header.plays,
                    )
                yield part
            if wanted == number:
                return
            clock += each.duration_ms

    def full(self, data: memoryview, *, previews: bool = False) -> tuple[Spec, Codec]:
        """Spec at full size and codec of an encoded picture, within the limits; what `plan` samples."""
        data = self._preview(data) if previews else data
        codec, header = self._header(data)
        self.check(header.spec)
        return self._coloured(header.spec, header.metadata)[0] if header.metadata.icc else header.spec, codec

    def _coloured(self, spec: Spec, metadata: Metadata) -> tuple[Spec, Metadata]:
        """The Spec says that an ICC profile applies; one that is broken or for other pixels is left out, and said."""
        model = metadata.icc_model
        if model and model == spec.model.removesuffix("_alpha").replace("rgba", "rgb"):
            if len(self._with_icc) > KNOWN_SPECS:
                self._with_icc.clear()
            known = self._with_icc.get(spec)
            if known is None:
                known = self._with_icc[spec] = replace(spec, primaries="icc")
            return known, metadata  # the same object for the same Spec: quick to recognise
        self.remark(f"its ICC profile is {f'for {model} pictures' if model else 'broken'} and was not used")
        return spec, replace(metadata, icc=b"")

    def close(self) -> None:
        """Close the codecs that were used."""
        self._formats.close()

    def check(self, spec: Spec) -> None:
        """Refuse more pixels than the limit."""
        if spec.height * spec.width > self.limits.pixels:
            raise ItemError(
                f"has {spec.width}x{spec.height} = {spec.height * spec.width / 1e6:.1f} megapixels",
                limit=f"`limits: {{pixels}}` is {self.limits.pixels / 1e6:.1f} million",
                remedy="raise it on the command line with --set limits.pixels=N if the file is to be trusted",
            )

    def _refuse_hdr(self, spec: Spec) -> None:
        if spec.is_hdr and not self._takes_hdr:
            raise ItemError(
                f"is an HDR picture ({spec.transfer.upper()}), whose light a chain for screens would show wrong",
                remedy="add the stage `tone_map` to the config",
            )

    def _carried(self, metadata: Metadata) -> Metadata:
        """As much of it as travels with a frame; what does not is told."""
        carried = carry(metadata)
        if carried is not metadata:
            lost = " and ".join(n for n, a, b in zip(BLOCKS, metadata.blocks, carried.blocks, strict=True) if a != b)
            self.remark(f"its {lost} was left out: {SIDECAR_NBYTES >> 20} MiB are carried beside a picture")
        return carried

    def _preview(self, data: memoryview) -> memoryview:
        """Of a camera's raw file the picture inside; all else as it is."""
        inside = self._codec(data).preview(data)
        if inside is None:
            return data
        self.remark("is a camera's raw file: the picture that the camera put into it was read")
        return memoryview(inside)

    def _header(self, data: memoryview) -> tuple[Codec, Header]:
        codec = self._codec(data)
        try:
            return codec, codec.header(data)
        except MissingCodec as error:  # a format that is named and not read: say which are
            raise MissingCodec(error.what, limit=self._formats.names, remedy=error.remedy) from None

    def _codec(self, data: memoryview) -> Codec:
        codec = self._formats.of(data)
        if codec is None:
            begins = f"it begins with {bytes(data[:8]).hex(' ')}"
            raise MissingCodec("is not a picture of a known format", limit=begins, remedy=self._formats.names)
        return codec


def carry(metadata: Metadata) -> Metadata:
    """The metadata as far as it fits the sidecar of 1 MiB: the largest block is dropped first."""
    if metadata is NO_METADATA or metadata.nbytes <= SIDECAR_NBYTES:
        return metadata
    blocks = list(metadata.blocks)
    while sum(map(len, blocks)) > SIDECAR_NBYTES:
        blocks[max(range(len(blocks)), key=lambda place: len(blocks[place]))] = b""
    return Metadata.of_blocks(blocks)
