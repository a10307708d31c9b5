"""Two runs of which the truth is known, to check intervals and p-values against."""

import numpy as np

from vicabench.types import ANSWERED, Grade

TASKS = ("object_counting", "route_planning")
TRUTH = 40.0
"""The true score of the first run on every task, in percent."""


def simulated_runs(
    generator: np.random.Generator, *, videos: int, gain: float
) -> tuple[list[Grade], list[Grade]]:
    """Grades of two runs whose true scores are 0.4 and 0.4 + gain (at most 0.2) on every task.

    Videos differ in difficulty, each run has videos that suit it, a video has one to four
    questions a task, and half of the time the two runs share their luck on a question.
    """
    a: list[Grade] = []
    b: list[Grade] = []
    for v in range(videos):
        level = generator.uniform(0.2, 0.6)
        level_a, level_b = level + generator.uniform(-0.2, 0.2, size=2)
        for task in TASKS:
            for q in range(generator.integers(1, 5)):
                luck_a, own, shares = generator.random(size=3)
                luck_b = luck_a if shares < 0.5 else own
                key = f"{task}{v}-{q}"
                a.append(_grade(key, task, v, luck_a < level_a))
                b.append(_grade(key, task, v, luck_b < level_b + gain))
    return a, b


def _grade(key: str, task: str, video: int, right: bool) -> Grade:
    return Grade(
        id=key,
        video=f"v{video}",
        task=task,
        protocol="official",
        read="1",
        score=float(right),
        outcome=ANSWERED,
    )
