"""What a room is, the settings it is made with, and seeded chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from vicabench.errors import ConfigError

GENERATORS = FIRST, SECOND = "1", "2"
"""The versions of scenes, films and questions: add one for any change to the output of a seed.

The second is harder to guess blind, and asks about every room with every type of question.
"""
GENERATOR = FIRST
"""The default version, which the included model was trained for."""

FPS = 20
"""Frames per second: smooth to watch, and a sixth fewer to render than the 24 of ScanNet."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that determine questions and films; all scenes of a folder share them.

    Raises:
        ConfigError: A number is out of range.
    """

    generator: str = GENERATOR
    seed: int
    questions_per_scene: int
    width: int
    height: int
    fps: int

    def __post_init__(self) -> None:
        if self.generator not in GENERATORS:
            raise ConfigError(
                f"Rooms: there is no generator {self.generator!r}. Generators are "
                f"{', '.join(GENERATORS)}."
            )
        check_least("seed", self.seed, 0)
        check_least("questions", self.questions_per_scene, 1)
        check_least("fps", self.fps, 1)
        for name, pixels in (("width", self.width), ("height", self.height)):
            check_least(name, pixels, 16)
            if pixels % 2:
                raise ConfigError(f"Rooms: {name} must be even for H.264; it is {pixels}.")


def check_least(name: str, value: int, least: int) -> None:
    """Raise ConfigError if the value of an option is too small."""
    if value < least:
        raise ConfigError(f"Rooms: {name} must be at least {least}; it is {value}.")


Item = TypeVar("Item")

_LETTER, _TARGET, _FREE = range(3)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question without an id: its text, the correct answer, and the options if any."""

    text: str
    answer: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The random draws for the questions of one type (number `stream`) about one scene.

    They depend on these three numbers alone, not on other scenes or their number.
    """

    seed: int
    scene: int
    stream: int
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        key = (self.seed, self.stream, _FREE, self.scene)
        object.__setattr__(self, "rng", np.random.default_rng(key))

    def one(self, items: Sequence[Item]) -> Item:
        """One of the items, all equally likely."""
        return items[int(self.rng.integers(len(items)))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items in random order."""
        return [items[int(n)] for n in self.rng.permutation(len(items))]

    def target(self, rank: int, count: int) -> int:
        """The class, of `count`, that the scene's question number `rank` should have."""
        return self._even(_TARGET, rank, count)

    def lettered(self, rank: int, right: str, wrong: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """The options as `A. chair`, and the letter of the correct one.

        Over scenes, all letters are equally frequent; the wrong options are in random order.
        """
        place = self._even(_LETTER, rank, 1 + len(wrong))
        texts = self.shuffled(wrong)
        texts.insert(place, right)
        letters = [chr(ord("A") + n) for n in range(len(texts))]
        options = tuple(f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True))
        return options, letters[place]

    def _even(self, use: int, rank: int, count: int) -> int:
        """One of `count` values: every `count` consecutive scenes get a permutation of all."""
        block, place = divmod(self.scene, count)
        rng = np.random.default_rng((self.seed, self.stream, use, rank, block))
        return int(rng.permutation(count)[place])


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
    """The camera's path through the room: once around a small ellipse in its middle.

    The camera looks across the ellipse, so that it sees the whole room in one turn; `camera.py`
    computes the poses from these numbers. `start` is the first heading in radians, `turn` +1 for
    counter-clockwise and -1 for clockwise; `seed` varies the rhythm of the steps.
    """

    start: float
    turn: int
    seconds: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A furnished room with everything needed to render it and to ask about it.

    `name` is unique among all seeds (`s0-0003`: the fourth scene of seed 0). `decor` is the seed
    of the decoration, which no question concerns: floor, walls, door, window and pictures.
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
