"""Commands of the core: what the supervisor has to carry out, besides sending records; rare, so they are named."""

from __future__ import annotations

from typing import NamedTuple

from ..contracts.cause import Cause
from ..contracts.frame import Item


class Start(NamedTuple):
    """Start this worker once `delay_s` seconds have passed."""

    worker: int
    delay_s: float


class Kill(NamedTuple):
    """End this worker now, and report it lost. `why` says what it is blamed for; "" means that it is not to blame."""

    worker: int
    why: str


class Outcome(NamedTuple):
    """This item is over.

    Attributes:
        outcome: a name of the ledger's counts.
        cause: why it is not done (or which of its frames was skipped); None where there is nothing to say.
        frames: that were written of it.
        busy_us: what stages took for it.
    """

    item: Item
    outcome: str
    cause: Cause | None
    frames: int
    busy_us: int = 0


class Halt(NamedTuple):
    """Stop the run now; what is in flight is cancelled."""

    exit_code: int
    reason: str


Order = Start | Kill | Outcome | Halt
