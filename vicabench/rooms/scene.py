"""What a room is, how rooms are asked for, and the seeded draws that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from vicabench.errors import ConfigError

GENERATOR = "1"
"""Version of scenes, films and questions: raise it with any change to what a seed gives."""

FPS = 20
"""Frames a second: smooth to watch, and a sixth less to draw than the 24 of ScanNet's videos."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides a scene's questions and film; one folder holds scenes of one kind only.

    Raises ConfigError for numbers that make no sense.
    """

    generator: str = GENERATOR
    seed: int
    questions_per_scene: int
    width: int
    height: int
    fps: int

    def __post_init__(self) -> None:
        check_least("seed", self.seed, 0)
        check_least("questions", self.questions_per_scene, 1)
        check_least("fps", self.fps, 1)
        for name, pixels in (("width", self.width), ("height", self.height)):
            check_least(name, pixels, 16)
            if pixels % 2:
                raise ConfigError(f"Rooms: {name} must be even, as H.264 has it; it is {pixels}.")


def check_least(name: str, value: int, least: int) -> None:
    """Raises ConfigError when the value of an option is too small."""
    if value < least:
        raise ConfigError(f"Rooms: {name} must be at least {least}; it is {value}.")


Item = TypeVar("Item")

_LETTER, _TARGET, _FREE = range(3)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question before it has a name: its text, the right answer, and the options if any."""

    text: str
    answer: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draw:
    """All chance for the questions of one type (`stream` is its number) about one scene.

    It depends on nothing but these three numbers: not on other scenes, nor on how many there are.
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
        """The class that the scene's question number `rank` should have, of `count` classes."""
        return self._even(_TARGET, rank, count)

    def lettered(self, rank: int, right: str, wrong: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """The options as `A. chair`, and the letter of the right one.

        The letter is even over scenes, the wrong ones are in random order.
        """
        place = self._even(_LETTER, rank, 1 + len(wrong))
        texts = self.shuffled(wrong)
        texts.insert(place, right)
        letters = [chr(ord("A") + n) for n in range(len(texts))]
        options = tuple(f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True))
        return options, letters[place]

    def _even(self, use: int, rank: int, count: int) -> int:
        """Every `count` consecutive scenes get a shuffle of all values, each scene one of them."""
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
