"""A few frames as a film, exact in colour: what training looks at."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_ENCODER = {"preset": "veryfast", "crf": "4", "threads": "1"}


def clip(frames_THWC: NDArray[np.uint8], path: Path, *, fps: int = 1) -> None:
    """Write uint8 RGB frames as H.264 without loss of colour resolution, every frame a key frame.

    Raises OSError where it cannot be written, and av.FFmpegError where it cannot be encoded.
    """
    with av.open(
        str(path.absolute()), "w", format="mp4", options={"movflags": "faststart"}
    ) as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(_ENCODER))
        _, stream.height, stream.width, _ = frames_THWC.shape
        stream.pix_fmt, stream.gop_size = "yuv444p", 1
        for rgb_HWC in frames_THWC:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb_HWC), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
