"""How often 95% intervals cover the truth, and how often p < 0.05 where there is no difference.

Run it with `nox -s coverage`: some minutes. It makes the table of docs/statistics.md.
"""

from __future__ import annotations

import numpy as np

from tests.simulation import TRUTH, simulated_runs
from vicabench.scoring.compare import Comparison, compare_runs

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


def main() -> None:
    """Print the table."""
    error = 100 * (0.95 * 0.05 / TRIALS) ** 0.5
    print(f"{TRIALS} trials each; the standard error of 95% (or 5%) is {error:.1f} points")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for videos in (12, 40, 150):
        cells = [str(videos), *(f"{share:.1f}" for share in shares(videos))]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
