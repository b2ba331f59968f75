"""Whether an output may be its source's own code: where no stage would change a pixel of it."""

from __future__ import annotations

import numpy as np

from ..contracts.codec import Codec
from ..contracts.frame import Frame
from ..errors import ItemError, MissingCodec
from ..plan.chain import StageError, chain_of
from ..plan.model import Plan
from .loading import Loading


class Unchanged:
    """Asked by one writer; opens the source once more, and decodes nothing where its reader has seen it whole.

    Args:
        plan: its chain is walked with the Spec that the source's header gives.
    """

    def __init__(self, plan: Plan) -> None:
        self._chain = chain_of(plan)
        self._loading = Loading(plan, lambda spec, _: spec)
        self._salvages = getattr(plan.reader.build(), "on_damage", "fail") == "salvage"

    def source(self, frame: Frame, encoder: Codec) -> memoryview | None:
        """The bytes of the frame's source; None where it is of another format than `encoder`'s, or not as it was."""
        if frame.index:
            return None
        data = self._loading.load(frame.item.source)
        try:
            spec, codec = self._loading.full(data)
            same = type(codec) is type(encoder) and self._chain.leaves(spec)
            if same and self._salvages:  # then it may be damaged, and only what was read of it is to be written
                codec.decode(data, spec, np.empty(spec.shape, spec.dtype))
        except (ItemError, MissingCodec, StageError):  # changed since it was read: what was read is written
            return None
        return data if same else None

    def close(self) -> None:
        """Close the codecs that were used."""
        self._loading.close()
