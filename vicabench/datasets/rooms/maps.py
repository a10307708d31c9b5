"""What stands where in a film's frames: what the encoders are taught before they meet language.

As SigLIP learnt from captions what a picture shows and SAM's Hiera from masks where things end, so
these maps say for each small square of a frame which categories are in it, and how far and in
which direction the nearest thing of each is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vicabench.datasets.rooms.camera import FIELD_OF_VIEW, Pose
from vicabench.datasets.rooms.catalogue import KINDS
from vicabench.datasets.rooms.render import sees
from vicabench.datasets.rooms.world import Scene

WIDTH, HEIGHT = 64, 48
NOTHING = 255
CATEGORIES = tuple(kind.name for kind in KINDS)


def save_maps(file: Path, scene: Scene, looks: Sequence[Pose]) -> None:
    """Write the maps of frames that look as `looks` say.

    `things` uint8 (T, 48, 64): which thing each pixel shows, 255 for the room itself;
    `category` uint8 (N,): each thing's, in `CATEGORIES`; `where` float32 (T, N, 2): the logarithm
    of its distance from the camera in metres along the floor, and the angle of its middle from
    that of the picture, counter-clockwise, as a share of the half field of view.
    """
    things = np.stack([sees(scene, look, WIDTH, HEIGHT) for look in looks])
    where = [[_where(look, thing.box.x, thing.box.y) for thing in scene.things] for look in looks]
    np.savez_compressed(
        file,
        things=np.where(things < 0, NOTHING, things).astype(np.uint8),
        category=np.array([CATEGORIES.index(t.category) for t in scene.things], dtype=np.uint8),
        where=np.array(where, dtype=np.float32),
    )


def _where(look: Pose, x: float, y: float) -> tuple[float, float]:
    metres = math.hypot(x - look.x, y - look.y)
    angle = math.atan2(y - look.y, x - look.x) - look.yaw
    aside = (angle + math.pi) % (2 * math.pi) - math.pi
    return math.log(max(metres, 0.1)), aside / (FIELD_OF_VIEW / 2)
