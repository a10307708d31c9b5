"""What a blind model is shown: `--blind` replaces every frame by a grey one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GREY = 128


def shown(frames_THWC: NDArray[np.uint8], *, blind: bool) -> NDArray[np.uint8]:
    """The frames, or for `blind` grey ones of the same number and size."""
    return np.full_like(frames_THWC, GREY) if blind else frames_THWC
