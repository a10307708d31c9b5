"""Parts of a run that a benchmark publishes as subsets."""

from __future__ import annotations

from vicabench.benchmarks.vsi_bench import COUNTS, published_pruned_ids
from vicabench.reference import is_vsi_bench
from vicabench.results.run import Run


def debiased(run: Run) -> Run | None:
    """The questions of VSI-Bench-Debiased in a run on the whole of VSI-Bench; None for others."""
    asked = run.asked()
    if len(asked) != COUNTS["full"] or not is_vsi_bench(run.benchmark, run.questions):
        return None
    return run.only(asked.keys() - published_pruned_ids())
