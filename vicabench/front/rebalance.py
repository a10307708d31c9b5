"""Scores with answers and objects weighted evenly: `vicabench score --rebalanced`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from vicabench.audits.rebalance import effective, weights_of
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import Protocol
from vicabench.results.run import Run
from vicabench.rubric import VARIANTS
from vicabench.scoring.stats import score_run
from vicabench.types import Scores


def rebalanced(run: Run, protocol: Protocol) -> Scores:
    """The scores of a run in which every answer and every object of a type counts alike.

    Raises:
        ConfigError: The headline score counts groups of questions, which have no weights.
    """
    if run.rubric.headline.how == VARIANTS:
        raise ConfigError(
            f"{run.path}: {run.rubric.headline.title} counts groups of questions, for which there "
            "are no rebalanced scores. Leave out --rebalanced."
        )
    name = f"{run.name} (rebalanced)"
    if run.incomplete:
        scores = run.scores(protocol)
        return replace(scores, model=name)
    weights = weights_of(run.questions, run.rubric)
    return score_run(
        run.grades(protocol),
        model=name,
        rubric=run.rubric,
        notes=(*run.notes, *_notes(run, weights)),
        weights=weights,
    )


def _notes(run: Run, weights: Mapping[str, float]) -> Iterator[str]:
    """What the weights are, and how many even questions they are worth in each task."""
    parts = []
    for task in run.rubric.tasks:
        mine = [weights[q.id] for q in run.questions if q.task in task.types]
        if mine:
            parts.append(f"{task.title} {math.floor(effective(mine))}")
    yield (
        "weights with which every answer and every object of a question type counts nearly alike "
        "(raking, at most five times the mean; after FN-VSI, whose weights are not published); "
        f"the questions are worth so many of equal weight: {', '.join(parts)}"
    )
