"""A stage that waits, as one does that asks a service or a device about each picture."""

import time

import numpy as np

WAIT_S = 0.02


def wait(pixels: np.ndarray) -> np.ndarray:
    """The same pixels, 20 ms later."""
    time.sleep(WAIT_S)
    return pixels
