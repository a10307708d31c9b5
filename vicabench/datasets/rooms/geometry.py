"""Exact geometry of upright boxes on a floor: every ground truth of Rooms comes from here.

Lengths are in metres, angles in degrees, points are (x, y) in the floor plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from shapely import LineString, Polygon

from vicabench.datasets.rooms.world import Box

Point = tuple[float, float]


def centre(box: Box) -> Point:
    """The centre of the footprint."""
    return (box.x, box.y)


@lru_cache(maxsize=256)  # a route asks for the same few boxes hundreds of times
def footprint(box: Box) -> Polygon:
    """The rectangle that the box covers on the floor."""
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    halves = [(i * box.length / 2, j * box.width / 2) for i, j in corners]
    return Polygon([(box.x + u * cos - v * sin, box.y + u * sin + v * cos) for u, v in halves])


def distance(a: Box, b: Box) -> float:
    """Smallest distance between any two points of the boxes; 0 where they touch or overlap.

    An upright box is its footprint times an interval of heights, so the planar distance and the
    vertical gap are minimised independently and combine at a right angle.
    """
    return math.hypot(footprint(a).distance(footprint(b)), _gap(a, b))


def _gap(a: Box, b: Box) -> float:
    """Empty height between the boxes, 0 where their heights overlap."""
    return max(0.0, a.bottom - (b.bottom + b.height), b.bottom - (a.bottom + a.height))


def nearest_distance(box: Box, instances: Sequence[Box]) -> float:
    """Smallest distance from `box` to any of the instances."""
    return min(distance(box, other) for other in instances)


def longest_side(box: Box) -> int:
    """The longest of length, width and height, in whole centimetres."""
    return round(100 * max(box.length, box.width, box.height))


def turn(origin: Point, facing: Point, target: Point) -> float:
    """Angle at `origin` from `facing` to `target`, counter-clockwise, in [0, 360)."""
    v_x, v_y = facing[0] - origin[0], facing[1] - origin[1]
    w_x, w_y = target[0] - origin[0], target[1] - origin[1]
    angle = math.degrees(math.atan2(v_x * w_y - v_y * w_x, v_x * w_x + v_y * w_y)) % 360.0
    return angle if angle < 360.0 else 0.0  # a tiny negative angle rounds up to 360


def from_boundary(angle: float, boundaries: Sequence[float]) -> float:
    """How far the angle is from the nearest boundary, around the circle, in [0, 180]."""
    return min(abs((angle - boundary + 180.0) % 360.0 - 180.0) for boundary in boundaries)


def crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether the straight way from `start` to `end` passes over the box's footprint."""
    return bool(LineString([start, end]).intersects(footprint(box)))
