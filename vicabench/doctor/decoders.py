"""Check that each decoder decodes a small video, in a separate process."""

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
    """Whether each decoder decodes a video of sixteen grey frames correctly."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        try:
            _write(film)
        except (av.FFmpegError, OSError, ValueError) as error:
            text = f"no video could be encoded to test the decoders: {error}"
            yield Finding(section=SECTION, name="encoder", text=text, state=WARNING)
            return
        findings = [_tried(film, name) for name in MODULES]
    if findings[0].state != OK:  # PyAV is required, decord is optional
        remedy = "pip install --force-reinstall av"
        findings[0] = replace(findings[0], state=BROKEN, remedy=remedy)
    yield from findings


def _tried(film: Path, name: str) -> Finding:
    if find_spec(MODULES[name]) is None:  # no import in this process: a broken build may crash
        text = "not installed; only --decoder decord needs it"
        return Finding(section=SECTION, name=name, text=text, state=NOTE)
    try:
        frames = _decoded(film, name)
    except (VideoError, DecoderLostError) as error:
        return Finding(section=SECTION, name=name, text=str(error), state=WARNING)
    correct = frames.decoder == name and _levels(frames.pixels_THWC) == frames.indices.tolist()
    text = (
        f"decodes {SHOWN} frames of H.264, all of them correct"
        if correct
        else "decodes other frames than requested"
    )
    return Finding(section=SECTION, name=name, text=text, state=OK if correct else WARNING)


def _decoded(film: Path, name: str) -> Frames:
    """A few frames, decoded in a separate process; raises VideoError and DecoderLostError."""
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
    """The frame index that each frame's grey level encodes."""
    return [round((float(image.mean()) - 20) / 12) for image in pixels_THWC]


def _write(film: Path) -> None:
    """Encode a video whose frame k has the grey level 20 + 12 k."""
    with av.open(str(film), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            image_HWC = np.full((48, 64, 3), 20 + 12 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image_HWC, format="rgb24")))
        container.mux(stream.encode(None))
