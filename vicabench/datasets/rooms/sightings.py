"""When every thing of a scene is in sight, and how much of it: the walk in small id images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.datasets.rooms.camera import pose_at
from vicabench.datasets.rooms.render import sees
from vicabench.datasets.rooms.world import Scene

WIDTH, HEIGHT = 160, 120
RATE = 5.0
"""Looks per second of the walk."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sightings:
    """Visible pixels of every thing along the walk, whatever size the film has.

    `seconds` float64 (T,) from the start of the walk, `pixels_TN` int64 (T, N things), out of
    `pixels_per_frame`.
    """

    seconds: NDArray[np.float64]
    pixels_TN: NDArray[np.int64]
    pixels_per_frame: int


def sightings(scene: Scene, rate: float = RATE) -> Sightings:
    """Look around once, `rate` times a second; a millisecond of work each time."""
    seconds = np.arange(0.0, scene.walk.seconds, 1 / rate)
    count = len(scene.things)
    pixels = [
        np.bincount(sees(scene, pose_at(scene, at), WIDTH, HEIGHT).ravel() + 1, minlength=count + 1)
        for at in seconds
    ]
    return Sightings(
        seconds=seconds,
        pixels_TN=np.array(pixels, dtype=np.int64)[:, 1:],
        pixels_per_frame=WIDTH * HEIGHT,
    )
