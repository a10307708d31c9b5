"""Answers the questions of Rooms a second time, from the rows of `scenes.jsonl`, by other means.

Distances are found by minimising over all pairs of points, directions with complex numbers, and
a route by walking it. Each function also asserts that the question was not a close call.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from vicabench.rooms.scene import Box

Row = Mapping[str, Any]


def closest(a: Box, b: Box) -> float:
    """The distance of two boxes, by bounded least squares over a point in each."""
    sizes = [np.array([box.length, box.width, box.height]) for box in (a, b)]
    (axes_a, centre_a), (axes_b, centre_b) = (_frame(a), _frame(b))
    matrix = np.hstack([axes_a * sizes[0], -axes_b * sizes[1]])
    solution = lsq_linear(matrix, centre_b - centre_a, bounds=(-0.5, 0.5), method="bvls")
    return float(np.linalg.norm(matrix @ solution.x - (centre_b - centre_a)))


def _frame(box: Box) -> tuple[Any, Any]:
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    axes = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return axes, np.array([box.x, box.y, box.bottom + box.height / 2])


def answer(row: Row, question: Row) -> str:
    """The correct answer to a row of `questions.jsonl`, in the benchmark's spelling."""
    text, room = question["question"], Room(row)
    kind = question["question_type"]
    if kind == "object_counting":
        (category,) = _named(r"How many (.+)\(s\)", text)
        assert len(room.of(category)) >= 2
        return str(len(room.of(category)))
    if kind == "room_size_estimation":
        return f"{row['width'] * row['depth']:.1f}"
    if kind == "object_size_estimation":
        (category,) = _named(r"height\) of the (.+), measured", text)
        box = room.only(category)
        return str(round(max(box.length, box.width, box.height) * 100))
    if kind == "object_abs_distance":
        metres = closest(*map(room.only, _named(r"between the (.+) and the (.+) \(in", text)))
        assert metres >= 0.2 - 1e-6
        return f"{metres:.1f}"
    options = {text: letter for letter, text in (o.split(". ", 1) for o in question["options"])}
    solve = {
        "object_rel_distance": room.nearest,
        "obj_appearance_order": room.order,
        "route_planning": room.route,
    }.get(kind, room.direction)
    return str(options[solve(text)])


def _named(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match is not None, text
    return match.groups()


class Room:
    """A row of `scenes.jsonl` that can be asked."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def of(self, category: str) -> list[Box]:
        things = [thing for thing in self.row["things"] if thing["category"] == category]
        assert all(thing["first_visible"] is not None for thing in things)
        return [Box(**thing["box"]) for thing in things]

    def only(self, category: str) -> Box:
        (box,) = self.of(category)
        return box

    def at(self, category: str) -> complex:
        return complex(self.only(category).x, self.only(category).y)

    def nearest(self, text: str) -> str:
        listed, target = _named(r"objects \((.+)\) is the closest to the (.+)\?", text)
        x = self.only(target)
        metres = {c: min(closest(x, box) for box in self.of(c)) for c in listed.split(", ")}
        ranked = sorted(metres, key=lambda category: metres[category])
        margin = 0.3 if self.row["width"] * self.row["depth"] > 40 else 0.15
        assert len(ranked) == 4
        assert all(metres[b] - metres[a] >= margin - 1e-6 for a, b in pairwise(ranked))
        return ranked[0]

    def order(self, text: str) -> str:
        (listed,) = _named(r"in the video: (.+)\?", text)
        times = {
            category: min(
                thing["first_visible"]
                for thing in self.row["things"]
                if thing["category"] == category and thing["first_visible"] is not None
            )
            for category in listed.split(", ")
        }
        ranked = sorted(times, key=lambda category: times[category])
        assert all(times[b] - times[a] > 1 for a, b in pairwise(ranked))
        return ", ".join(ranked)

    def direction(self, text: str) -> str:
        a, b, c = _named(r"by the (.+) and facing the (.+), is the (.+?) to (?:my|the)", text)
        for one, other in ((a, b), (b, c), (a, c)):
            assert 0.3 <= abs(self.at(one) - self.at(other)) <= 5
        left = math.degrees(cmath.phase((self.at(c) - self.at(a)) / (self.at(b) - self.at(a))))
        side = "left" if left > 0 else "right"
        assert 10 <= abs(left) <= 170 or "my left, right, or back" in text
        if "front-left" in text:
            assert abs(abs(left) - 90) >= 10
            return f"{'front' if abs(left) < 90 else 'back'}-{side}"
        if "or back" in text:
            assert abs(left) >= 10
            assert abs(abs(left) - 135) >= 10
            return "back" if abs(left) > 135 else side
        return side

    def route(self, text: str) -> str:
        start, faced, goal = _named(
            r"beginning at the (.+) and facing the (.+)\. You want to navigate to the (.+)\. You w",
            text,
        )
        (listed,) = _named(r"'turn right\.'\): 1\. (.+)\. You have reached", text)
        here, heading, turns, place = self.at(start), self.at(faced) - self.at(start), [], start
        steps = re.split(r" \d\. ", listed)
        for n, step in enumerate(steps):
            if step == "[please fill in]":
                (place,) = _named("until the (.+)", steps[n + 1])
                turns.append(_turn(math.degrees(cmath.phase((self.at(place) - here) / heading))))
            else:
                assert step == f"Go forward until the {place if n else faced}"
                place = place if n else faced
                here, heading = self.at(place), self.at(place) - here
        assert place == goal
        assert 2 <= len(turns) <= 5
        return ", ".join(turns)


def _turn(left: float) -> str:
    """The turn at an angle, which has to be unambiguous: straight on is not a turn."""
    assert abs(left) >= 35 - 1e-9
    assert abs(abs(left) - 135) >= 10 - 1e-9
    if abs(left) > 135:
        return "Turn Back"
    return "Turn Left" if left > 0 else "Turn Right"
