"""What a film shows, by the exact geometry: what a model is taught before it meets questions.

As SigLIP learnt from captions what a picture shows and SAM's Hiera from masks where things end, so
these lessons say what stands where in each frame, and of each word what the whole film tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicabench.datasets.rooms.camera import FIELD_OF_VIEW, Pose
from vicabench.datasets.rooms.catalogue import KINDS
from vicabench.datasets.rooms.exercises import best_frame, from_middle, oclock
from vicabench.datasets.rooms.facts import VISIBLE_SHARE, Facts
from vicabench.datasets.rooms.geometry import longest_side
from vicabench.datasets.rooms.render import sees
from vicabench.datasets.rooms.walks import Walked
from vicabench.datasets.rooms.world import Scene

WIDTH, HEIGHT = 64, 48
NOTHING = 255
WORDS = tuple(kind.name for kind in KINDS)
CLASSES = ("present", "count", "first_frame", "best_frame", "oclock")
"""What is told of a word as a number from 0 on; -1 is not told."""
NUMBERS = ("metres_from_middle", "longest_metres")
"""What is told of a word as a logarithm; NaN is not told."""
SCENE_NUMBERS = ("square_metres", "longer_side_metres")
MOST = 5


def things_seen(scene: Scene, looks: Sequence[Pose]) -> NDArray[np.uint8]:
    """Which thing each pixel shows, uint8 (T, 48, 64); `NOTHING` for the room itself."""
    things_THW = np.stack([sees(scene, look, WIDTH, HEIGHT) for look in looks])
    return np.where(things_THW < 0, NOTHING, things_THW).astype(np.uint8)


def places(scene: Scene, looks: Sequence[Pose]) -> NDArray[np.float32]:
    """Where each thing is in each frame, float32 (T, N, 2).

    First the logarithm of its distance from the camera in metres along the floor, then the angle
    of its middle from that of the picture, counter-clockwise, as a share of half the field of view.
    """
    where = [[_place(look, thing.box.x, thing.box.y) for thing in scene.things] for look in looks]
    return np.array(where, dtype=np.float32)


def save_lessons(
    file: Path,
    walked: Walked,
    facts: Facts,
    things_THW: NDArray[np.uint8],
    where_TN2: NDArray[np.float32],
    *,
    mirror: bool,
) -> None:
    """Write the lessons of a walk; maps and places are those of the unchanged walk's frames.

    `things` and `where` as above, `category` uint8 (N,): each thing's, in `WORDS`; `classes` int8
    (words, 5), `numbers` float32 (words, 2) and `scene` float32 (2,), see the constants above.
    """
    category = np.array([WORDS.index(t.category) for t in walked.scene.things], dtype=np.uint8)
    things_THW, where_TN2 = things_THW[walked.order], where_TN2[walked.order]
    if mirror:
        things_THW = things_THW[:, :, ::-1]
        where_TN2 = where_TN2 * np.array([1, -1], dtype=np.float32)
    told = [_word(name, walked, facts, things_THW, category) for name in WORDS]
    scene = walked.scene
    np.savez_compressed(
        file,
        things=things_THW,
        category=category,
        where=where_TN2,
        classes=np.array([[t.get(k, -1) for k in CLASSES] for t in told], dtype=np.int8),
        numbers=np.array([[t.get(k, math.nan) for k in NUMBERS] for t in told], dtype=np.float32),
        scene=np.log([scene.area, max(scene.width, scene.depth)]).astype(np.float32),
    )


def _word(
    name: str,
    walked: Walked,
    facts: Facts,
    things_THW: NDArray[np.uint8],
    category: NDArray[np.uint8],
) -> Mapping[str, Any]:
    """What the film tells of a word."""
    mine = np.flatnonzero(category == WORDS.index(name))
    if not len(mine):
        return {"present": 0, "count": 0}
    shares_T = np.isin(things_THW, mine).mean(axis=(1, 2))
    found: dict[str, Any] = {}
    if (shares_T >= VISIBLE_SHARE).any():
        found |= {"present": 1, "first_frame": int(np.argmax(shares_T >= VISIBLE_SHARE))}
    if name in facts.groups:
        found["count"] = min(len(facts.groups[name]), MOST)
    if name in facts.singles:
        box = facts.singles[name]
        metres, bearing = from_middle(walked, box)
        found["best_frame"] = best_frame(walked, bearing) - 1
        found["oclock"] = oclock(walked, bearing) % 12
        found["metres_from_middle"] = math.log(max(metres, 0.2))
        found["longest_metres"] = math.log(longest_side(box) / 100)
    return found


def _place(look: Pose, x: float, y: float) -> tuple[float, float]:
    metres = math.hypot(x - look.x, y - look.y)
    angle = math.atan2(y - look.y, x - look.x) - look.yaw
    aside = (angle + math.pi) % (2 * math.pi) - math.pi
    return math.log(max(metres, 0.3)), aside / (FIELD_OF_VIEW / 2)
