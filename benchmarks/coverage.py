"""How often 95% intervals cover the truth, and how often p < 0.05 where there is no difference.

Run it with `nox -s coverage`: some minutes. It makes the tables of docs/statistics.md.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from tests.simulation import CASES, TASKS, TRUTH, simulated_replies, simulated_runs
from vicabench.rubric import rubric_of
from vicabench.scoring.compare import Comparison, compare_runs
from vicabench.scoring.stats import score_run
from vicabench.types import Grade

TRIALS, SEED = 2000, 1
COLUMNS = ("videos", "score", "score, micro", "difference", "difference, micro", "p <= 0.05")


def trial(comparison: Comparison) -> list[bool]:
    """For each column after the first, whether it held."""
    scores, overall, micro = comparison.scores_a, comparison.overall, comparison.micro
    intervals = (
        (scores.overall, TRUTH),
        (scores.micro, TRUTH),
        (overall.estimate, 0.0),
        (micro.estimate, 0.0),
    )
    return [e.low <= truth <= e.high for e, truth in intervals] + [overall.p <= 0.05]


def shares(videos: int) -> list[float]:
    """The share of trials in which each held, in percent."""
    generator = np.random.default_rng(SEED)
    held = []
    for _ in range(TRIALS):
        a, b = simulated_runs(generator, videos=videos, gain=0.0)
        found = compare_runs(a, b, model_a="A", model_b="B", resamples=2000, flips=999)
        held.append(trial(found))
    return [100 * float(share) for share in np.mean(held, axis=0)]


def spread_of_repeats(grades: list[Grade]) -> tuple[float, float]:
    """The interval that is often printed: from the spread of the scores of whole repeats."""
    scores_R = [
        100 * np.mean([g.score for g in grades if g.repeat == n])
        for n in range(1 + max(g.repeat for g in grades))
    ]
    half = stdtrit(len(scores_R) - 1, 0.975) * np.std(scores_R, ddof=1) / len(scores_R) ** 0.5
    return float(np.mean(scores_R) - half), float(np.mean(scores_R) + half)


def shares_of_repeats(case: tuple[float, float, int]) -> list[float]:
    """How often the interval holds the truth of 50, and one from the repeats alone, in percent."""
    generator = np.random.default_rng(SEED)
    rubric = rubric_of({"tasks": [TASKS[0]], "overall": ["macro"]})
    held = []
    for _ in range(TRIALS):
        grades = simulated_replies(generator, *case)
        ours = score_run(grades, model="m", rubric=rubric, resamples=2000).overall
        ends = ((ours.low, ours.high), spread_of_repeats(grades))
        held.append([low <= 50 <= high for low, high in ends])
    return [100 * float(share) for share in np.mean(held, axis=0)]


def main() -> None:
    """Print the tables."""
    error = 100 * (0.95 * 0.05 / TRIALS) ** 0.5
    print(f"{TRIALS} trials each; the standard error of 95% (or 5%) is {error:.1f} points")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for videos in (12, 40, 150):
        cells = [str(videos), *(f"{share:.1f}" for share in shares(videos))]
        print("| " + " | ".join(cells) + " |", flush=True)
    print("| replies | score | from the spread of repeats alone |\n| --- | --- | --- |")
    for name, case in CASES.items():
        cells = [f"{case[2]}, {name}", *(f"{share:.1f}" for share in shares_of_repeats(case))]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
