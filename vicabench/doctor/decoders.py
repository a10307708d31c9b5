"""Whether videos can be decoded: each decoder decodes a small film, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from vica.video import Frames, VideoError

from vicabench.doctor.findings import BROKEN, NOTE, OK, WARNING, Finding
from vicabench.engine.decode import DecoderLostError, DecoderProcess

SECTION = "decoders"
FRAMES, SHOWN = 16, 4
LIMIT_SECONDS = 20.0
MODULES = {"pyav": "av", "decord": "decord"}


def decoders() -> Iterator[Finding]:
    """What each decoder makes of a film of sixteen grey frames."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        try:
            _write(film)
        except (av.FFmpegError, OSError, ValueError) as error:
            text = f"no film can be made to try the decoders with: {error}"
            yield Finding(section=SECTION, name="encoder", text=text, state=WARNING)
            return
        found = [_tried(film, name) for name in MODULES]
    if found[0].state != OK:  # decord's frames are compared with its
        remedy = "pip install --force-reinstall av"
        found[0] = replace(found[0], state=BROKEN, remedy=remedy)
    yield from found


def _tried(film: Path, name: str) -> Finding:
    if find_spec(MODULES[name]) is None:  # looked for, not imported: it may crash
        text = "not installed; only --decoder decord needs it"
        return Finding(section=SECTION, name=name, text=text, state=NOTE)
    try:
        frames = _decoded(film, name)
    except (VideoError, DecoderLostError) as error:
        return Finding(section=SECTION, name=name, text=str(error), state=WARNING)
    right = frames.decoder == name and _levels(frames.pixels_THWC) == frames.indices.tolist()
    said = f"decodes {SHOWN} frames of H.264, each the right one" if right else "shows other frames"
    return Finding(section=SECTION, name=name, text=said, state=OK if right else WARNING)


def _decoded(film: Path, name: str) -> Frames:
    """A few frames from a process of its own. Raises VideoError and DecoderLostError."""
    process = DecoderProcess()
    try:
        process.wait_ready()
        reading = process.decode(
            film, frames=SHOWN, decoder=name, cache=None, limit_seconds=LIMIT_SECONDS
        )
    finally:
        process.kill()
        process.close()
    return reading.frames


def _levels(pixels_THWC: NDArray[np.uint8]) -> list[int]:
    """The index that each frame's grey stands for."""
    return [round((float(image.mean()) - 20) / 12) for image in pixels_THWC]


def _write(film: Path) -> None:
    """Frame k is of the grey 20 + 12 k."""
    with av.open(str(film), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            image_HWC = np.full((48, 64, 3), 20 + 12 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image_HWC, format="rgb24")))
        container.mux(stream.encode(None))
