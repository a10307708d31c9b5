"""The scene generator: furnished rooms that are plausible, varied and reproducible."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from shapely import Polygon, affinity
from shapely import box as rectangle

from vicabench.rooms.camera import pose_at
from vicabench.rooms.facts import sightings
from vicabench.rooms.furniture import KIND_OF, KINDS, make_scene, shape
from vicabench.rooms.scene import Box

SCENES = [make_scene(seed, index) for seed in (0, 1) for index in range(20)]


def footprint(box: Box) -> Polygon:
    flat = rectangle(-box.length / 2, -box.width / 2, box.length / 2, box.width / 2)
    turned = affinity.rotate(flat, box.yaw, origin=(0, 0), use_radians=True)
    return affinity.translate(turned, box.x, box.y)


def test_a_scene_depends_on_seed_and_index_only() -> None:
    assert make_scene(0, 7) == SCENES[7]
    assert len({scene.things for scene in SCENES}) == len(SCENES)
    assert len({scene.name for scene in SCENES}) == len(SCENES)


def test_rooms_hold_enough_things_for_questions() -> None:
    for scene in SCENES:
        names = [thing.category for thing in scene.things]
        assert len(names) >= 6
        assert sum(names.count(name) == 1 for name in names) >= 4
        assert 3 <= scene.width <= 9
        assert 3 <= scene.depth <= 9
    assert {thing.category for scene in SCENES for thing in scene.things} == set(KIND_OF)


def test_things_are_in_the_room_and_apart() -> None:
    for scene in SCENES:
        room = rectangle(0, 0, scene.width, scene.depth)
        footprints = [footprint(thing.box) for thing in scene.things]
        assert all(room.contains(place) for place in footprints)
        assert all(a.distance(b) >= 0.12 for a, b in itertools.combinations(footprints, 2))
        assert all(thing.box.bottom == 0 for thing in scene.things)
        assert all(thing.box.height < scene.height for thing in scene.things)


def test_nothing_is_close_to_the_camera() -> None:
    for scene in SCENES:
        seconds = np.linspace(0, scene.walk.seconds, 60)
        eyes = [pose_at(scene, float(at)) for at in seconds]
        way = Polygon([(eye.x, eye.y) for eye in eyes])
        assert all(footprint(thing.box).distance(way) > 0.3 for thing in scene.things)


def test_the_camera_makes_one_full_turn() -> None:
    for scene in SCENES:
        turned = pose_at(scene, scene.walk.seconds).yaw - pose_at(scene, 0).yaw
        assert turned == pytest.approx(scene.walk.turn * 2 * np.pi, abs=0.05)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_shape_touches_all_six_sides_of_its_box(kind) -> None:  # type: ignore[no-untyped-def]
    for pick in (0, 1):
        length, height = kind.length[pick], kind.height[1 - pick]
        width = length if kind.round else kind.width[pick]
        box = Box(x=2, y=3, bottom=0, length=length, width=width, height=height, yaw=0.7)
        points = shape(kind.name, box).quads_F43.reshape(-1, 3) - [box.x, box.y, 0]
        cos, sin = np.cos(box.yaw), np.sin(box.yaw)
        own = np.stack(
            [points[:, 0] * cos + points[:, 1] * sin, points[:, 1] * cos - points[:, 0] * sin]
        )
        assert own.max(axis=1) == pytest.approx([length / 2, width / 2])
        assert own.min(axis=1) == pytest.approx([-length / 2, -width / 2])
        assert (points[:, 2].min(), points[:, 2].max()) == pytest.approx((0, height))


def test_nearly_everything_becomes_visible() -> None:
    seen = [sightings(scene).pixels_TN.max(axis=0) for scene in SCENES[:10]]
    assert np.mean(np.concatenate(seen) > 0) > 0.97
