"""Runs, scores and comparisons as pandas DataFrames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vicabench.types import Estimate, Grade, Repeats, Scores

if TYPE_CHECKING:
    from pandas import DataFrame

    from vicabench.predictions import Prediction
    from vicabench.scoring.compare import Comparison


RUN_COLUMNS = (
    "id",
    "video",
    "dataset",
    "task",
    "question",
    "options",
    "truth",
    "reply",
    "read",
    "score",
    "outcome",
    "error",
    "stop",
    "prompt_tokens",
    "new_tokens",
    "seconds",
    "protocol",
    "repeat",
)


def run_frame(predictions: Sequence[Prediction], grades: Sequence[Grade]) -> DataFrame:
    """One row per reply, including those that were never given; `score` is in [0, 1].

    `dataset` is what stands before the first `/` of the video's name.
    """
    return frame_of(run_rows(predictions, grades), RUN_COLUMNS)


def run_rows(predictions: Sequence[Prediction], grades: Sequence[Grade]) -> list[dict[str, Any]]:
    """The rows of `run_frame`, without what is missing."""
    said = {p.question.key: p for p in predictions}
    rows = []
    for grade in grades:
        row = _graded(grade)
        if grade.key in said:
            question, answer = said[grade.key].question, said[grade.key].answer
            row |= {
                "question": question.text,
                "options": list(question.options),
                "truth": question.answer,
                "reply": answer.response,
                "error": answer.error,
                "stop": answer.stop,
                "prompt_tokens": answer.prompt_tokens,
                "new_tokens": answer.new_tokens,
                "seconds": answer.seconds,
            }
        rows.append(row)
    return rows


def _graded(grade: Grade) -> dict[str, Any]:
    return {
        "id": grade.id,
        "video": grade.video,
        "dataset": grade.video.split("/")[0] if "/" in grade.video else None,
        "task": grade.task,
        "read": grade.read,
        "score": grade.score,
        "outcome": grade.outcome,
        "protocol": grade.protocol,
        "repeat": grade.repeat,
    }


def scores_frame(scores: Scores) -> DataFrame:
    """One row per task, then `overall` and `micro`, in [0, 100], with the 95% intervals.

    Of several replies a question also `pass@2` ..., `majority` and `changes`. An interval that does
    not exist is NaN.
    """
    estimates = {**scores.tasks, "overall": scores.overall, "micro": scores.micro}
    estimates |= repeat_estimates(scores.repeats)
    rows = [{"score_of": name, **cells(each)} for name, each in estimates.items()]
    columns = ("score_of", "score", "low", "high", "questions", "videos", "unanswered")
    return frame_of(rows, columns)


def repeat_estimates(found: Repeats | None) -> dict[str, Estimate]:
    """What several replies a question say beside their mean: `pass@2`, `majority`, `changes`."""
    if found is None:
        return {}
    best = {f"pass@{k}": estimate for k, estimate in found.best_of.items()}
    return {**best, "majority": found.majority, "changes": found.changes}


def comparison_frame(found: Comparison) -> DataFrame:
    """One row per task, then `overall` and `micro`: both scores, their difference, its p-values.

    `p_holm` is None for the two overall rows, `p_equivalent` without a margin; `detectable` is the
    difference that would be shown with 80% power; `fixed` and `broke` are lists of ids.
    """
    differences = {**found.tasks, "overall": found.overall, "micro": found.micro}
    rows = []
    for name, difference in differences.items():
        a, b = (_named(scores, name) for scores in (found.scores_a, found.scores_b))
        figures = cells(difference.estimate)
        rows.append(
            {
                "score_of": name,
                found.model_a: a.mean,
                found.model_b: b.mean,
                "difference": figures.pop("score"),
                **figures,
                "p": difference.p,
                "p_holm": difference.p_holm,
                "p_equivalent": difference.p_equivalent,
                "detectable": difference.detectable,
                "fixed": list(difference.fixed),
                "broke": list(difference.broke),
            }
        )
    return frame_of(rows, tuple(rows[0]))


def flat(scores: Scores) -> dict[str, float]:
    """Every number by name: `overall`, `overall_low`, `object_counting` ...

    What is not known is left out, so that a tracker of experiments never gets a NaN.
    """
    estimates = {"overall": scores.overall, "micro": scores.micro, "valid": scores.valid}
    estimates |= repeat_estimates(scores.repeats)
    numbers: dict[str, float] = {}
    for name, each in {**estimates, **scores.tasks}.items():
        ends = {name: each.mean, f"{name}_low": each.low, f"{name}_high": each.high}
        numbers |= {key: value for key, value in ends.items() if not math.isnan(value)}
    sizes = {"questions": scores.overall.count, "videos": scores.overall.clusters}
    return numbers | sizes | {f"outcome_{name}": n for name, n in scores.outcomes.items()}


def cells(estimate: Estimate) -> dict[str, Any]:
    """An estimate in the columns that all frames share: `score`, `low`, `high` and the counts."""
    return {
        "score": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "questions": estimate.count,
        "videos": estimate.clusters,
        "unanswered": estimate.failed,
    }


def _named(scores: Scores, name: str) -> Estimate:
    overall = {"overall": scores.overall, "micro": scores.micro}
    return overall[name] if name in overall else scores.tasks[name]


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> DataFrame:
    """The rows as a DataFrame with these columns; missing keys are missing values."""
    import pandas as pd  # noqa: PLC0415  (slow to import, and not every command needs it)

    return pd.DataFrame(list(rows), columns=list(columns))
