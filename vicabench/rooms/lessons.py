"""What training teaches beside the questions: what a film shows, and steps to an answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.camera import FIELD_OF_VIEW, Pose
from vicabench.rooms.facts import VISIBLE_SHARE, Facts
from vicabench.rooms.furniture import KINDS
from vicabench.rooms.geometry import longest_side, nearest_distance
from vicabench.rooms.questions import LARGE_MARGIN, ORDER_SECONDS
from vicabench.rooms.render import sees
from vicabench.rooms.scene import Box, Draft, Scene
from vicabench.rooms.walks import Walked

MIDDLE = "What is the distance between the {x} and the middle of the room (in meters)?"
APART = "What is the distance between the {x} and the {y} (in meters)?"
CLOCK = "From the middle of the room and facing where the video begins, at what o'clock is the {x}?"
FRAME = "In which frame is the {x} nearest to the middle of the picture?"
SOONER = "Which appears first in the video, the {x} or the {y}?"
NEARER = (
    "Measuring from the closest point of each object, which is closer to the {z}, the {x} or the "
    "{y}?"
)
THERE = "Is there a {x} in this room?"
TURN = "Does the camera turn left or right?"
SIDE = "What is the length of the longer side of this room (in meters)?"
TEMPLATES = (MIDDLE, APART, CLOCK, FRAME, SOONER, NEARER, THERE, TURN, SIDE)
REPLIES = ("left", "right", "yes", "no")
"""The answers besides numbers and the names of things."""

_ASKED_THERE = 2


def exercises(
    walked: Walked, facts: Facts, rng: np.random.Generator
) -> Iterator[tuple[str, Draft]]:
    """All exercises about one walk, each with the name of its kind."""
    for name, box in facts.singles.items():
        metres, bearing = from_middle(walked, box)
        yield "distance_from_middle", _draft(MIDDLE, f"{metres:.1f}", name)
        yield "oclock", _draft(CLOCK, str(oclock(walked, bearing)), name)
        yield "best_frame", _draft(FRAME, str(best_frame(walked, bearing)), name)
    for (x, one), (y, other) in combinations(facts.singles.items(), 2):
        metres = math.hypot(one.x - other.x, one.y - other.y)
        yield "apart", Draft(text=APART.format(x=x, y=y), answer=f"{metres:.1f}")
    yield from _compared(facts, rng)
    categories = {thing.category for thing in walked.scene.things}
    names = [
        kind.name for kind in KINDS if kind.name in facts.groups or kind.name not in categories
    ]
    for index in rng.permutation(len(names))[:_ASKED_THERE]:
        reply = "yes" if names[index] in categories else "no"
        yield "presence", _draft(THERE, reply, names[index])
    yield "camera_turn", _draft(TURN, "left" if walked.scene.walk.turn > 0 else "right")
    yield "longer_side", _draft(SIDE, f"{max(walked.scene.width, walked.scene.depth):.1f}")


def _compared(facts: Facts, rng: np.random.Generator) -> Iterator[tuple[str, Draft]]:
    """Comparisons of two things: which is seen first, and which is nearer to a third."""
    for x, y in permutations(facts.first_visible, 2):
        sooner = facts.first_visible[y] - facts.first_visible[x]
        if sooner >= ORDER_SECONDS:
            yield from _either("sooner", SOONER, x, y, rng)
    for z, box in facts.singles.items():
        others = [name for name in facts.groups if name != z]
        metres = {name: nearest_distance(box, facts.groups[name]) for name in others}
        for x, y in permutations(others, 2):
            if metres[y] - metres[x] >= LARGE_MARGIN:
                yield from _either("nearer", NEARER.replace("{z}", z), x, y, rng)


def _either(
    kind: str, template: str, right: str, wrong: str, rng: np.random.Generator
) -> Iterator[tuple[str, Draft]]:
    """A choice between two things, once by name and once by letter."""
    for end in ("", "_by_letter"):
        place = int(rng.integers(2))
        x, y = (right, wrong) if place == 0 else (wrong, right)
        text = template.format(x=x, y=y)
        if end:
            yield kind + end, Draft(text=text, answer="AB"[place], options=(f"A. {x}", f"B. {y}"))
        else:
            yield kind, Draft(text=text, answer=right)


def _draft(template: str, answer: str, name: str = "") -> Draft:
    return Draft(text=template.format(x=name), answer=answer)


def from_middle(walked: Walked, box: Box) -> tuple[float, float]:
    """The distance (metres) and direction (radians) of a thing from the middle of the room."""
    x, y = box.x - walked.scene.width / 2, box.y - walked.scene.depth / 2
    return math.hypot(x, y), math.atan2(y, x)


def oclock(walked: Walked, bearing: float) -> int:
    """The direction as on a clock: 12 is straight ahead at the beginning, 3 to the right."""
    clockwise = (float(walked.headings[0]) - bearing) / (2 * math.pi)
    return round(12 * clockwise) % 12 or 12


def best_frame(walked: Walked, bearing: float) -> int:
    """The frame, counted from 1, in which the thing is nearest to the middle of the picture."""
    aside = np.abs((walked.headings - bearing + math.pi) % (2 * math.pi) - math.pi)
    return int(aside.argmin()) + 1


WIDTH, HEIGHT = 64, 48
NOTHING = 255
WORDS = tuple(kind.name for kind in KINDS)
CLASSES = ("present", "count", "first_frame", "best_frame", "oclock")
"""The lessons about a word that are classes, numbered from 0; -1 means unknown."""
NUMBERS = ("metres_from_middle", "longest_metres")
"""The lessons about a word that are logarithms; NaN means unknown."""
SCENE_NUMBERS = ("square_metres", "longer_side_metres")
MOST = 5


def things_seen(scene: Scene, looks: Sequence[Pose]) -> NDArray[np.uint8]:
    """The thing that each pixel shows, uint8 (T, 48, 64); `NOTHING` for the room itself."""
    things_THW = np.stack([sees(scene, look, WIDTH, HEIGHT) for look in looks])
    return np.where(things_THW < 0, NOTHING, things_THW).astype(np.uint8)


def places(scene: Scene, looks: Sequence[Pose]) -> NDArray[np.float32]:
    """The place of each thing in each frame, float32 (T, N, 2).

    The first number is the logarithm of its distance from the camera in metres along the floor;
    the second is the counter-clockwise angle of its centre from the middle of the picture, as a
    share of half the field of view.
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
    """Write the lessons of a walk as an npz file.

    The file holds `things` (see `things_seen`), `where` (see `places`), `category` uint8 (N,), the
    index in `WORDS` of each thing, `classes` int8 (words, 5), `numbers` float32 (words, 2) and
    `scene` float32 (2,), see the constants above.

    Args:
        file: The file to write.
        walked: The walk.
        facts: What its film shows.
        things_THW: `things_seen` of the frames of the unchanged walk.
        where_TN2: `places` of the frames of the unchanged walk.
        mirror: Whether the walk is mirrored.
    """
    category = np.array([WORDS.index(t.category) for t in walked.scene.things], dtype=np.uint8)
    things_THW, where_TN2 = things_THW[walked.order], where_TN2[walked.order]
    if mirror:
        things_THW = things_THW[:, :, ::-1]
        where_TN2 = where_TN2 * np.array([1, -1], dtype=np.float32)
    lessons = [_word(name, walked, facts, things_THW, category) for name in WORDS]
    scene = walked.scene
    np.savez_compressed(
        file,
        things=things_THW,
        category=category,
        where=where_TN2,
        classes=np.array([[t.get(k, -1) for k in CLASSES] for t in lessons], dtype=np.int8),
        numbers=np.array(
            [[t.get(k, math.nan) for k in NUMBERS] for t in lessons], dtype=np.float32
        ),
        scene=np.log([scene.area, max(scene.width, scene.depth)]).astype(np.float32),
    )


def _word(
    name: str,
    walked: Walked,
    facts: Facts,
    things_THW: NDArray[np.uint8],
    category: NDArray[np.uint8],
) -> Mapping[str, Any]:
    """The lessons about a word."""
    mine = np.flatnonzero(category == WORDS.index(name))
    if not len(mine):
        return {"present": 0, "count": 0}
    shares_T = np.isin(things_THW, mine).mean(axis=(1, 2))
    lessons: dict[str, Any] = {}
    if (shares_T >= VISIBLE_SHARE).any():
        lessons |= {"present": 1, "first_frame": int(np.argmax(shares_T >= VISIBLE_SHARE))}
    if name in facts.groups:
        lessons["count"] = min(len(facts.groups[name]), MOST)
    if name in facts.singles:
        box = facts.singles[name]
        metres, bearing = from_middle(walked, box)
        lessons["best_frame"] = best_frame(walked, bearing) - 1
        lessons["oclock"] = oclock(walked, bearing) % 12
        lessons["metres_from_middle"] = math.log(max(metres, 0.2))
        lessons["longest_metres"] = math.log(longest_side(box) / 100)
    return lessons


def _place(look: Pose, x: float, y: float) -> tuple[float, float]:
    metres = math.hypot(x - look.x, y - look.y)
    angle = math.atan2(y - look.y, x - look.x) - look.yaw
    aside = (angle + math.pi) % (2 * math.pi) - math.pi
    return math.log(max(metres, 0.3)), aside / (FIELD_OF_VIEW / 2)
