"""What a writer may ask of the encoded picture that its frame was made of: its bytes, and what the chain did to it."""

from __future__ import annotations

import numpy as np

from ..contracts.codec import Codec
from ..contracts.contexts import Source
from ..contracts.frame import Frame
from ..contracts.spec import Spec
from ..contracts.stage import Reader
from ..errors import ItemError, MissingCodec
from ..plan.chain import StageError, chain_of
from ..plan.model import Plan
from .loading import Loading


class Sources:
    """Opens sources once more, in the worker of a writer.

    Args:
        plan: its chain is walked with the Spec that a source's header gives.
    """

    def __init__(self, plan: Plan) -> None:
        self._chain = chain_of(plan)
        self._loading = Loading(plan, lambda spec, _: spec)
        self._reader: Reader = plan.reader.build()
        self._reads_first = getattr(self._reader, "frames", "first") == "first"
        self._salvages = getattr(self._reader, "on_damage", "fail") == "salvage"

    def of(self, frame: Frame, encoder: Codec) -> Source | None:
        """The source of a frame; None where the frame is not its first picture, or it cannot be read any more.

        One that was replaced since it was read is told by its size only; it is done again by the next run.
        """
        if frame.index or not self._reads_first:
            return None
        try:
            data = self._reader.load(frame.item, self._loading)
            spec, codec = self._loading.full(data)
            unchanged = (
                type(codec) is type(encoder) and spec.size == frame.spec.size and self._chain.leaves(spec)
            )  # fmt: skip
            if unchanged and self._salvages:  # it may be damaged, and what was read of it is what is to be written
                unchanged = _is_whole(data, spec, codec)
        except (ItemError, MissingCodec, StageError, OSError):
            return None
        return Source(data, spec, unchanged, self._chain.keeps_extent)

    def close(self) -> None:
        """Close the codecs that were used."""
        self._loading.close()


def _is_whole(data: memoryview, spec: Spec, codec: Codec) -> bool:
    try:
        codec.decode(data, spec, np.empty(spec.shape, spec.dtype))
    except ItemError:
        return False
    return True
