"""The video of a walk: H.264 in an mp4 file that is either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import av

from vicabench.datasets.rooms.camera import pose_at
from vicabench.datasets.rooms.render import colours
from vicabench.datasets.rooms.settings import FPS
from vicabench.datasets.rooms.world import Scene

_ENCODER = {"preset": "superfast", "crf": "23", "threads": "1"}
"""One thread, because several films are made side by side."""

_KEY_FRAME_SECONDS = 1.5


def frame_count(scene: Scene, fps: int = FPS) -> int:
    """How many frames the film of a scene has; frame k shows the time k / fps."""
    return max(1, round(scene.walk.seconds * fps))


def film(scene: Scene, path: Path, *, width: int = 640, height: int = 480, fps: int = FPS) -> None:
    """Write the walk through a scene to `path` as H.264 (yuv420p, an even number of pixels a side).

    The file appears under its name only when it is complete. Raises OSError where it cannot be
    written, and av.FFmpegError where it cannot be encoded.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    try:
        _write(scene, partial, width, height, fps)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(scene: Scene, path: Path, width: int, height: int, fps: int) -> None:
    with av.open(
        str(path.absolute()), "w", format="mp4", options={"movflags": "faststart"}
    ) as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(_ENCODER))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = round(_KEY_FRAME_SECONDS * fps)
        for number in range(frame_count(scene, fps)):
            rgb_HWC = colours(scene, pose_at(scene, number / fps), width, height)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb_HWC, format="rgb24")))
        container.mux(stream.encode())
