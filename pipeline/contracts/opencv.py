"""OpenCV as stages use it: loaded when a stage opens, with one thread, for workers are the parallelism."""

from __future__ import annotations

from ..errors import EnvironmentRefusal


def load_opencv(who: str) -> None:
    """Import cv2 in this worker, before its first frame. Raises EnvironmentRefusal, which says what `who` lacks."""
    try:
        import cv2
    except ImportError as error:
        remedy = "apt install libgl1, or install opencv-python-headless"
        raise EnvironmentRefusal(f"{who} needs OpenCV: {error}", remedy=remedy) from error
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
