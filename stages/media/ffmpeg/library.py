"""PyAV loaded quietly; its errors as ours."""

from __future__ import annotations

from typing import Any

from pipeline.errors import EnvironmentRefusal, ItemError


def load_ffmpeg(who: str) -> Any:
    """Import `av` in this worker and keep FFmpeg from writing to standard error; the module.

    Raises EnvironmentRefusal, which says what `who` lacks.
    """
    try:
        import av
        import av.logging
    except ImportError as error:
        raise EnvironmentRefusal(f"{who} needs PyAV: {error}", remedy="pip install 'av>=18,<20'") from error
    av.logging.set_level(None)
    return av


def refused(error: Exception) -> Exception:
    """FFmpeg's error as ours: one of the system stays what it is, all others are the item's, in one line."""
    number = getattr(error, "errno", 0) or 0
    text = getattr(error, "strerror", "") or str(error)
    if isinstance(error, OSError) and 0 < number < 1000:
        return OSError(number, text)
    return ItemError(text[:1].lower() + text[1:])
