"""What a film shows of its scene: only that may be asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.errors import counted
from vicabench.rooms.camera import pose_at
from vicabench.rooms.render import sees
from vicabench.rooms.scene import Box, Scene

WIDTH, HEIGHT = 160, 120
RATE = 5.0
"""Samples per second of the walk."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sightings:
    """The visible pixels of every thing along the walk, independent of the film's size.

    `seconds` is float64 (T,) from the start of the walk; `pixels_TN` int64 (T times, N things)
    counts pixels, out of `pixels_per_frame`.
    """

    seconds: NDArray[np.float64]
    pixels_TN: NDArray[np.int64]
    pixels_per_frame: int


def sightings(scene: Scene, rate: float = RATE) -> Sightings:
    """Count the visible pixels along the walk, `rate` times per second; a millisecond each."""
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


VISIBLE_SHARE = 0.0025
"""A thing is visible in a frame if it covers this share of it: 28x28 pixels of 640x480."""

CLEAR_SHARE = 0.01
"""An order of appearance must hold for both thresholds, `VISIBLE_SHARE` and this one."""

SEEN_SECONDS = 1.0
"""A thing counts as seen if it is visible for this long in total, so that sampled frames show it.
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The scene as far as its film shows it, with categories in alphabetical order.

    Attributes:
        scene: The scene.
        groups: The boxes of the categories of which all instances are seen.
        singles: The boxes of the categories in `groups` with one instance.
        first_visible: The second at which a category's pixels first reach `VISIBLE_SHARE`;
            categories that never do are absent.
        first_clear: The same for `CLEAR_SHARE`.
        step: The time between two samples, which is the accuracy of these times.
    """

    scene: Scene
    groups: Mapping[str, tuple[Box, ...]]
    singles: Mapping[str, Box]
    first_visible: Mapping[str, float]
    first_clear: Mapping[str, float]
    step: float


def facts_of(scene: Scene, sightings: Sightings) -> Facts:
    """The facts that questions may be about.

    Raises:
        ValueError: The sightings are of another scene.
    """
    shares_TN = _shares(scene, sightings)
    step = float(sightings.seconds[1] - sightings.seconds[0])
    seen_N = (shares_TN >= VISIBLE_SHARE).sum(axis=0) * step >= SEEN_SECONDS
    members = {name: _members(scene, name) for name in sorted({t.category for t in scene.things})}
    groups = {
        name: tuple(scene.things[n].box for n in columns)
        for name, columns in members.items()
        if seen_N[columns].all()
    }
    shares = {name: shares_TN[:, columns].sum(axis=1) for name, columns in members.items()}
    return Facts(
        scene=scene,
        groups=groups,
        singles={name: boxes[0] for name, boxes in groups.items() if len(boxes) == 1},
        first_visible=dict(_firsts(shares, sightings.seconds, VISIBLE_SHARE)),
        first_clear=dict(_firsts(shares, sightings.seconds, CLEAR_SHARE)),
        step=step,
    )


def first_visible(scene: Scene, sightings: Sightings) -> list[float | None]:
    """The second, rounded to 1 ms, at which each thing is first visible; None if it never is."""
    seen_NT = visible_in(scene, sightings).T
    return [
        round(float(sightings.seconds[row.argmax()]), 3) if row.any() else None for row in seen_NT
    ]


def visible_in(scene: Scene, sightings: Sightings) -> NDArray[np.bool_]:
    """Whether each thing is visible at each time, (T, N)."""
    return np.asarray(_shares(scene, sightings) >= VISIBLE_SHARE)


def _shares(scene: Scene, sightings: Sightings) -> NDArray[np.float64]:
    """The share of each frame that each thing covers, (T, N) in [0, 1]."""
    looks, things = sightings.pixels_TN.shape
    if things != len(scene.things) or looks != len(sightings.seconds) or looks < 2:
        raise ValueError(
            f"scene {scene.name} has {counted(len(scene.things), 'thing')}; its sightings have "
            f"{things} in {counted(looks, 'look')} at {counted(len(sightings.seconds), 'time')}"
        )
    return np.asarray(sightings.pixels_TN / sightings.pixels_per_frame, dtype=np.float64)


def _members(scene: Scene, category: str) -> list[int]:
    return [n for n, thing in enumerate(scene.things) if thing.category == category]


def _firsts(
    shares: Mapping[str, NDArray[np.float64]], seconds: NDArray[np.float64], share: float
) -> Iterable[tuple[str, float]]:
    for name, shares_T in shares.items():
        if (shares_T >= share).any():
            yield name, float(seconds[np.argmax(shares_T >= share)])
