"""Whether a file is a picture that can be read, by its name or, where that says nothing, by its first bytes."""

from __future__ import annotations

from collections.abc import Callable

from stages.media import names, signatures

NO_PICTURE = "not a picture"


def left_out(name: str, head: Callable[[], bytes | None], *, raw: bool) -> str:
    """Why a file is no picture that can be read; "" where it is one, or reading it will tell.

    Args:
        head: asked for the first `signatures.HEAD_NBYTES` bytes; None where they cannot be had.
        raw: whether the picture inside a camera's raw file is read.
    """
    end = names.ending(name)
    if end in names.PICTURES or (raw and end in names.RAW):
        return ""
    if end in names.UNREAD or end in names.RAW:
        return f"a format that is not read (.{end})"
    if end in names.OTHERS:
        return NO_PICTURE
    begins = head()
    if begins is None or signatures.picture(begins) or (raw and signatures.is_raw(begins)):
        return ""
    known, _ = signatures.named(begins)
    return f"a format that is not read ({known})" if known else NO_PICTURE
