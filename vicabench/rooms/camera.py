"""Where the camera is, and where it looks, at every moment of a walk.

The camera has a fixed lens. It circles the middle of the room on an ellipse of a tenth of the
sides and looks across it, slightly downwards: everything comes into view once, and things nearby
are seen from the far side of the ellipse instead of being below the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.scene import Scene

FIELD_OF_VIEW = np.deg2rad(70.0)
"""Horizontal, in radians; the vertical field of view follows from square pixels."""

EYE_HEIGHT = 1.5
PITCH = np.deg2rad(-20.0)
ELLIPSE = 0.10
"""The semi-axes of the walk as shares of the sides of the room."""

_STEPS_PER_SECOND = 1.7


@dataclass(frozen=True, kw_only=True)
class Pose:
    """The position of the camera in metres, and its direction in radians.

    `yaw` is counter-clockwise from the x axis, `pitch` positive upwards; there is no roll.
    """

    x: float
    y: float
    z: float
    yaw: float
    pitch: float

    @property
    def position(self) -> NDArray[np.float64]:
        """The position, (3,) in metres."""
        return np.array([self.x, self.y, self.z])

    @property
    def axes(self) -> NDArray[np.float64]:
        """The directions right, down and forward as the rows of a rotation matrix (3, 3)."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        level, rise = np.cos(self.pitch), np.sin(self.pitch)
        right = [sin, -cos, 0.0]
        down = [rise * cos, rise * sin, -level]
        forward = [level * cos, level * sin, rise]
        return np.array([right, down, forward])


def focal(width: int) -> float:
    """The focal length, in pixels, for an image of this width."""
    return float(width / 2 / np.tan(FIELD_OF_VIEW / 2))


def semi_axes(width: float, depth: float) -> tuple[float, float]:
    """The semi-axes of the walk along x and y, in metres, in a room of this size."""
    return ELLIPSE * width, ELLIPSE * depth


def pose_at(scene: Scene, seconds: float) -> Pose:
    """The pose of the camera `seconds` after the start of the walk, which is one full turn.

    Pace, heading and height sway a little with the steps, as in a hand-held video.
    """
    walk = scene.walk
    along = seconds / walk.seconds
    first, second, third = np.random.default_rng(walk.seed).uniform(0, 2 * np.pi, 3)
    heading = walk.start + walk.turn * 2 * np.pi * along
    heading += 0.10 * (np.sin(4 * np.pi * along + first) - np.sin(first))
    step = 2 * np.pi * _STEPS_PER_SECOND * seconds
    across, away = semi_axes(scene.width, scene.depth)
    return Pose(
        x=scene.width / 2 - across * np.cos(heading),
        y=scene.depth / 2 - away * np.sin(heading),
        z=EYE_HEIGHT + 0.012 * np.sin(step + second),
        yaw=heading + 0.006 * np.sin(step / 2 + third),
        pitch=PITCH + 0.02 * np.sin(4 * np.pi * along + third) + 0.003 * np.sin(step + first),
    )
