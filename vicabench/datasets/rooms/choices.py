"""Chance, kept fair: seeded draws, and draws that come out even over the scenes of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

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
