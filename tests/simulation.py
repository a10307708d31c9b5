"""Runs of which the truth is known, to check intervals and p-values against."""

from dataclasses import replace

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


VIDEOS, QUESTIONS = 60, 3
CASES = {
    "videos differ most": (0.35, 0.1, 4),
    "questions differ most": (0.05, 0.4, 4),
    "replies differ most": (0.02, 0.02, 2),
}
"""How far videos, and questions of a video, are from a score of 1/2, and the replies to each."""


def simulated_replies(
    generator: np.random.Generator, of_video: float, of_question: float, count: int
) -> list[Grade]:
    """Several replies to the questions of `VIDEOS` videos, of a model that is worth 50 percent.

    The chance that a reply is right is 1/2, but for a difference of its video and one of its
    question, which are uniform on both sides of 0.
    """
    level_V1 = 0.5 + generator.uniform(-of_video, of_video, size=(VIDEOS, 1))
    level_VQ = level_V1 + generator.uniform(-of_question, of_question, size=(VIDEOS, QUESTIONS))
    right_VQR = generator.random((VIDEOS, QUESTIONS, count)) < level_VQ[..., None]
    return [
        replace(_grade(f"{v}-{q}", TASKS[0], v, bool(right)), repeat=n)
        for (v, q, n), right in np.ndenumerate(right_VQR)
    ]


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
