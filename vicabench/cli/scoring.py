"""From a run folder or a predictions file to graded rows of a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.grading.protocols import Protocol
from vicabench.grading.runs import grade_run
from vicabench.predictions import read_predictions
from vicabench.stats import score_run
from vicabench.store import PREDICTIONS, planned_ids, read_config
from vicabench.text import printable
from vicabench.types import Grade, Scores


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A run with the grade of every question and the estimates made from them.

    `benchmark` is what the run's configuration names; None for a file without one.
    """

    scores: Scores
    grades: tuple[Grade, ...]
    benchmark: str | None


def grade_path(path: Path, protocol: Protocol) -> Graded:
    """Grade a run folder, or any predictions file.

    DataError if there is nothing to grade, or naming the line that is wrong.
    """
    file = path / PREDICTIONS if path.is_dir() else path
    config = read_config(file.parent) if file.name == PREDICTIONS else None
    planned = config["plan"]["videos"] if config else {}
    asked = file.exists() or not planned
    predictions = read_predictions(file, torn_ok=config is not None) if asked else []
    grades = grade_run(predictions, protocol, planned)
    if not grades:
        raise DataError(f"{file} holds no predictions.")
    owed = planned_ids(config["plan"]) - {p.question.id for p in predictions} if config else ()
    notes = [f"{len(owed)} questions not asked yet: the run is incomplete"] if owed else []
    return Graded(
        scores=score_run(grades, model=_name(path, config), notes=notes),
        grades=tuple(grades),
        benchmark=config["config"]["benchmark"] if config else None,
    )


def told_apart(paths: Sequence[Path], runs: Sequence[Graded]) -> list[Graded]:
    """The runs, with the path added to the names that several of them share."""
    shared = Counter(run.scores.model for run in runs)
    return [
        run
        if shared[run.scores.model] == 1
        else replace(
            run,
            scores=replace(run.scores, model=printable(f"{run.scores.model} ({path})")),
        )
        for path, run in zip(paths, runs, strict=True)
    ]


def grades_jsonl(run: Graded) -> str:
    """One JSON line per question: model, id, protocol, what was read (or null), score."""
    return "".join(
        json.dumps(
            {
                "model": run.scores.model,
                "id": g.id,
                "protocol": g.protocol,
                "read": g.read,
                "score": g.score,
            }
        )
        + "\n"
        for g in run.grades
    )


def _name(path: Path, config: dict[str, Any] | None) -> str:
    """The model of a run; the name of a file or its folder where nothing says more."""
    if config:
        blind = " (blind)" if config["config"]["adapter"].get("blind") is True else ""
        return printable(f"{config['config']['model']}{blind}")
    place = path.resolve()
    if place.name == PREDICTIONS:
        return printable(place.parent.name)
    return printable(place.name if place.is_dir() else place.stem)
