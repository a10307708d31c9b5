"""What a room is: its floor, the things standing in it, and the walk of the camera through it.

The floor is the rectangle from (0, 0) to (width, depth), x to the right, y away, z up, metres.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Box:
    """An upright box: `length` along its own x axis, `width` along y, `height` along z, metres.

    (x, y) is the centre of its footprint, `bottom` the height of its lower face above the floor,
    `yaw` its counter-clockwise rotation about the vertical, in radians.
    """

    x: float
    y: float
    bottom: float
    length: float
    width: float
    height: float
    yaw: float


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One instance of a category; `box` is its exact oriented bounding box, the ground truth."""

    category: str
    box: Box


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The camera's way through the room: a small ellipse around its middle, walked once.

    The camera looks across the ellipse, so that it sees the whole room in one turn; `camera.py`
    has the poses, these are the numbers that fix it. `start` is the first heading in radians,
    `turn` +1 for counter-clockwise and -1 for clockwise; `seed` varies the rhythm of the steps.
    """

    start: float
    turn: int
    seconds: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A furnished room with everything needed to render it and to ask about it.

    `name` is unique among all seeds (`s0-0003`: the fourth scene of seed 0). `decor` is the seed
    of what is only to be looked at: floor, walls, door, window and pictures.
    """

    name: str
    seed: int
    width: float
    depth: float
    height: float
    things: tuple[Thing, ...]
    walk: Walk
    decor: int = 0

    @property
    def area(self) -> float:
        """Floor area in square metres."""
        return self.width * self.depth
