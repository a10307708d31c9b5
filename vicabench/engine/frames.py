"""Frames as a line of JSON and raw pixels: how they pass between processes and into files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vica.video import Frames

SAMPLING = "uniform: numpy.linspace(0, total - 1, frames, dtype=int)"
"""Which frames `vica.video.read_frames` takes, as runs and cached frames are told apart by it."""


def sampling_with(decoder: str) -> str:
    """The same for a run that reads with `decoder`: all but decord give the same frames."""
    return f"{SAMPLING}, as decord reads them" if decoder == "decord" else SAMPLING


def header_of(frames: Frames) -> dict[str, Any]:
    """Everything but the pixels, as JSON values; floats survive JSON exactly."""
    return {
        "shape": list(frames.pixels_THWC.shape),
        "indices": frames.indices.tolist(),
        "seconds": list(frames.seconds),
        "duration": frames.duration,
        "total": frames.total,
        "fps": frames.fps,
        "decoder": frames.decoder,
        "warnings": list(frames.warnings),
    }


def frames_of(header: Mapping[str, Any], pixels: NDArray[np.uint8]) -> Frames:
    """The frames again; raises LookupError, TypeError or ValueError for a header of another kind.

    `pixels` are uint8, in any shape of the right size.
    """
    return Frames(
        pixels_THWC=pixels.reshape(header["shape"]),
        indices=np.array(header["indices"], np.int64),
        seconds=tuple(header["seconds"]),
        duration=header["duration"],
        total=header["total"],
        fps=header["fps"],
        decoder=header["decoder"],
        warnings=tuple(header["warnings"]),
    )
