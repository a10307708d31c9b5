"""Published scores without sight on VSI-Bench, from the Test-set Stress-Test (arXiv 2511.04655)."""

from __future__ import annotations

from dataclasses import dataclass

from vicabench.reference.scores import records


@dataclass(frozen=True, kw_only=True)
class PublishedAudit:
    """A row of the paper: means over questions in [0, 100], None where not printed.

    `folds` is `random`, `scene`, or empty for a model that was not fitted on the test set.
    """

    benchmark: str
    method: str
    folds: str
    overall: float | None
    choice: float | None
    numeric: float | None
    source: str


def published_audits(benchmark: str = "vsi-bench") -> tuple[PublishedAudit, ...]:
    """The published rows about a benchmark."""
    return tuple(
        PublishedAudit(
            benchmark=record["benchmark"],
            method=record["method"],
            folds=record["folds"],
            overall=_number(record["overall"]),
            choice=_number(record["choice"]),
            numeric=_number(record["numeric"]),
            source=record["source"],
        )
        for record in records("bias_audits.csv")
        if record["benchmark"] == benchmark
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
