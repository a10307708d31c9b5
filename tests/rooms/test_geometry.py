"""Distances and angles of Rooms agree with other ways of computing them."""

from __future__ import annotations

import cmath
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.recheck import closest
from vicabench.rooms.geometry import (
    crosses,
    distance,
    footprint,
    from_boundary,
    longest_side,
    nearest_distance,
    turn,
)
from vicabench.rooms.scene import Box

sides = st.floats(0.1, 3.0)
places = st.floats(-5.0, 5.0)
points = st.tuples(places, places)
boxes = st.builds(
    Box,
    x=places,
    y=places,
    bottom=st.floats(0.0, 2.0),
    length=sides,
    width=sides,
    height=sides,
    yaw=st.floats(-4.0, 4.0),
)


def box(x: float = 0, y: float = 0, length: float = 1, width: float = 1, yaw: float = 0) -> Box:
    return Box(x=x, y=y, bottom=0, length=length, width=width, height=1, yaw=yaw)


@given(boxes, boxes)
@settings(max_examples=150, deadline=None)
def test_distance_is_the_minimum_over_pairs_of_points(a: Box, b: Box) -> None:
    assert distance(a, b) == pytest.approx(closest(a, b), abs=1e-5)


@given(boxes, boxes)
@settings(max_examples=50, deadline=None)
def test_distance_is_symmetric_and_at_most_that_of_the_centres(a: Box, b: Box) -> None:
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-12)
    gap = max(0.0, a.bottom - b.bottom - b.height, b.bottom - a.bottom - a.height)
    assert distance(a, b) <= math.hypot(a.x - b.x, a.y - b.y, gap) + 1e-12


def test_distance_between_corners_faces_and_floors() -> None:
    assert distance(box(), box(x=3)) == pytest.approx(2.0)
    assert distance(box(), box(x=4, y=5)) == pytest.approx(5.0)
    assert distance(box(), box(x=3, yaw=math.pi / 4)) == pytest.approx(2.5 - math.sqrt(0.5))
    above = Box(x=3, y=0, bottom=2.5, length=1, width=1, height=1, yaw=0)
    assert distance(box(), above) == pytest.approx(2.5)
    assert distance(box(), box(x=0.5)) == 0.0


def test_nearest_distance_takes_the_nearest_instance() -> None:
    assert nearest_distance(box(), [box(x=5), box(x=-2), box(y=4)]) == pytest.approx(1.0)


@given(boxes)
def test_a_footprint_has_the_box_s_area_around_its_centre(a: Box) -> None:
    assert footprint(a).area == pytest.approx(a.length * a.width)
    assert footprint(a).centroid.coords[0] == pytest.approx((a.x, a.y))


@given(boxes)
def test_longest_side_is_in_centimetres_whatever_the_yaw(a: Box) -> None:
    assert abs(longest_side(a) - 100 * sorted([a.length, a.width, a.height])[2]) <= 0.5


@given(points, points, points)
def test_turn_is_the_phase_of_a_quotient(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    v, w = complex(*b) - complex(*a), complex(*c) - complex(*a)
    angle = turn(a, b, c)
    assert 0 <= angle < 360
    if min(abs(v), abs(w)) > 1e-3:
        assert cmath.rect(1, math.radians(angle)) == pytest.approx(w / v / abs(w / v), abs=1e-9)


@pytest.mark.parametrize(
    ("target", "angle"), [((1, 5), 0), ((0, 2), 45), ((-3, 1), 90), ((1, -1), 180), ((9, 1), 270)]
)
def test_turn_is_counter_clockwise_from_the_faced_point(
    target: tuple[float, float], angle: float
) -> None:
    assert turn((1, 1), (1, 2), target) == pytest.approx(angle)


def test_distance_from_a_boundary_wraps_around_the_circle() -> None:
    assert from_boundary(355, (0, 180)) == pytest.approx(5)
    assert from_boundary(100, (0, 135, 225)) == pytest.approx(35)


def test_a_line_crosses_boxes_between_its_ends() -> None:
    assert crosses((-3, 0), (3, 0.4), box())
    assert not crosses((-3, 0), (3, 2), box())
    assert not crosses((-3, 0), (-1, 0), box())
