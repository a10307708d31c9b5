"""Benchmarks made up for audits: without a shortcut, or with a known one."""

from __future__ import annotations

import random
from collections.abc import Callable

from vicabench.metrics import NUMERIC
from vicabench.rubric import Rubric, Task
from vicabench.types import Question

NAMES = [f"thing{letter}" for letter in "abcdefghijkl"]
RUBRIC = Rubric(
    tasks=(Task(name="closest"), Task(name="size", kind=NUMERIC, unit="cm")),
)
Answer = Callable[[random.Random, str, list[str]], int]
"""The place of the right option, given a thing and the texts of the options."""


def at_random(generator: random.Random, _: str, texts: list[str]) -> int:
    """No shortcut at all."""
    return generator.randrange(len(texts))


def choices(
    seed: int, *, scenes: int = 30, each: int = 4, right: Answer = at_random
) -> list[Question]:
    """Questions about which of four things is closest to a fifth, in templated words."""
    generator, found = random.Random(seed), []
    for number in range(scenes * each):
        *texts, target = generator.sample(NAMES, 5)
        if right is longest:
            texts = [text + "x" * generator.randrange(9) for text in texts]
        place = right(generator, target, texts)
        found.append(
            Question(
                id=f"c{number}",
                video=f"v{number // each}",
                task="closest",
                text=f"Which is the closest to the {target}?",
                options=tuple(f"{a}. {text}" for a, text in zip("ABCD", texts, strict=True)),
                answer="ABCD"[place],
            )
        )
    return found


def longest(_: random.Random, __: str, texts: list[str]) -> int:
    """The longest option is right."""
    return max(range(len(texts)), key=lambda place: len(texts[place]))


def third(generator: random.Random, _: str, texts: list[str]) -> int:
    """Nine in ten right options are in the third place."""
    return 2 if generator.random() < 0.9 else generator.randrange(len(texts))


def first_by_name(_: random.Random, __: str, texts: list[str]) -> int:
    """The option that comes first in the alphabet is right: some texts win against all others."""
    return texts.index(min(texts))


def sizes(seed: int, *, scenes: int = 30, each: int = 4, by_thing: bool = False) -> list[Question]:
    """Questions about the size of a thing: at random, or as the thing has it up to a tenth."""
    generator, found = random.Random(seed), []
    usual = {name: 20.0 * 1.4**place for place, name in enumerate(NAMES)}
    for number in range(scenes * each):
        name = generator.choice(NAMES)
        base = usual[name] if by_thing else usual[generator.choice(NAMES)]
        found.append(
            Question(
                id=f"n{number}",
                video=f"v{number // each}",
                task="size",
                text=f"How long is the {name}, in centimeters?",
                answer=f"{base * generator.uniform(0.95, 1.05):.0f}",
            )
        )
    return found
