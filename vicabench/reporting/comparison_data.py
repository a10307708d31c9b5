"""Comparisons for machines: one CSV row a difference, or JSON with every question that changed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vicabench.reporting.cells import OVERALL
from vicabench.reporting.comparison import AnyComparison, estimate_in, rows_of
from vicabench.scoring.compare import EXACT, FLIPS, Comparison, Difference, UnpairedComparison
from vicabench.scoring.stats import RESAMPLES, SEED
from vicabench.text import csv_text
from vicabench.types import Estimate

PARTS = ("", "_low", "_high")
COLUMNS = (
    *("kind", "reference", "model", "protocol", "score", "questions", "videos", "unanswered"),
    *(f"reference_score{part}" for part in PARTS),
    *(f"model_score{part}" for part in PARTS),
    *(f"difference{part}" for part in PARTS),
    *("p", "p_holm", "fixed", "broke"),
)
Record = dict[str, Any]


def comparison_csv(comparisons: Sequence[AnyComparison]) -> str:
    """One row for every difference of every comparison; empty where there is no figure."""
    rows = [row for comparison in comparisons for row in _rows(comparison)]
    return csv_text(COLUMNS, rows).rstrip("\n")


def comparison_json(
    comparisons: Sequence[AnyComparison], subtracted: Sequence[AnyComparison]
) -> str:
    """Every comparison with its intervals, p-values, and the ids of fixed and broken questions.

    An interval that does not exist is null. `subtracted` holds the comparisons of the runs with
    the blind or chance row, in the same form.
    """
    content = {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "permutation": {"flips": FLIPS, "exact_up_to_videos": EXACT, "unit": "video"},
        "correction": "Holm over the tasks of a comparison; not over overall, micro or comparisons",
        "comparisons": [_record(comparison) for comparison in comparisons],
        "subtracted": [_record(comparison) for comparison in subtracted],
    }
    return json.dumps(content, indent=2)


def _rows(comparison: AnyComparison) -> Iterator[Record]:
    if isinstance(comparison, UnpairedComparison):
        yield from _unpaired_rows(comparison)
        return
    names = {"reference": comparison.model_a, "model": comparison.model_b}
    head = {"kind": "paired", **names, "protocol": comparison.protocol}
    for name, _, found in rows_of(comparison):
        scores = [estimate_in(s, name) for s in (comparison.scores_a, comparison.scores_b)]
        yield {
            **head,
            "score": name,
            **_cells("reference_score", scores[0]),
            **_cells("model_score", scores[1]),
            **_cells("difference", found.estimate),
            **_sizes(found.estimate),
            "p": f"{found.p:.4f}",
            "p_holm": "" if found.p_holm is None else f"{found.p_holm:.4f}",
            "fixed": len(found.fixed),
            "broke": len(found.broke),
        }


def _unpaired_rows(comparison: UnpairedComparison) -> Iterator[Record]:
    row, scores = comparison.published, comparison.scores
    head = {"kind": "unpaired", "reference": row.label, "model": scores.model}
    gaps = {OVERALL: comparison.overall, **comparison.tasks}
    for name, gap in gaps.items():
        if gap is not None:
            yield {
                **head,
                "protocol": scores.protocol,
                "score": name,
                "reference_score": row.overall if name == OVERALL else row.tasks[name],
                **_cells("model_score", estimate_in(scores, name)),
                **_cells("difference", gap),
                **_sizes(gap),
            }


def _cells(name: str, estimate: Estimate | None) -> Record:
    if estimate is None:
        return {}
    values = (estimate.mean, estimate.low, estimate.high)
    texts = ["" if math.isnan(value) else f"{value:.4f}" for value in values]
    return dict(zip((name + part for part in PARTS), texts, strict=True))


def _sizes(estimate: Estimate) -> Record:
    return {
        "questions": estimate.count,
        "videos": estimate.clusters,
        "unanswered": estimate.failed,
    }


def _record(comparison: AnyComparison) -> Record:
    if isinstance(comparison, UnpairedComparison):
        return {
            "kind": "unpaired",
            "model": comparison.scores.model,
            "protocol": comparison.scores.protocol,
            "published": asdict(comparison.published),
            "notes": list(comparison.notes),
            "differences": {
                name: _no_nan(asdict(gap))
                for name, gap in {OVERALL: comparison.overall, **comparison.tasks}.items()
                if gap is not None
            },
        }
    return {
        "kind": "paired",
        "reference": comparison.model_a,
        "model": comparison.model_b,
        "protocol": comparison.protocol,
        "shared": comparison.shared,
        "only_reference": comparison.only_a,
        "only_model": comparison.only_b,
        "notes": list(comparison.notes),
        "differences": {
            name: _difference(comparison, name, found) for name, _, found in rows_of(comparison)
        },
    }


def _difference(comparison: Comparison, name: str, found: Difference) -> Record:
    scores = {"reference": comparison.scores_a, "model": comparison.scores_b}
    sides = {side: estimate_in(row, name) for side, row in scores.items()}
    return {
        **{side: _no_nan(asdict(e)) for side, e in sides.items() if e is not None},
        "difference": _no_nan(asdict(found.estimate)),
        "p": found.p,
        "p_holm": found.p_holm,
        "fixed": list(found.fixed),
        "broke": list(found.broke),
    }


def _no_nan(values: Mapping[str, Any]) -> Record:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
