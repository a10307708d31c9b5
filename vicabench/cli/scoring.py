"""From a run folder or a predictions file to graded rows of a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vicabench.errors import DataError
from vicabench.grading.protocols import Protocol
from vicabench.grading.runs import PerVideo, grade_run
from vicabench.predictions import read_predictions
from vicabench.stats import score_run
from vicabench.store import PREDICTIONS, read_config
from vicabench.types import QUESTION_TYPES, Grade, Scores


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A run with the grade of every question and the estimates made from them."""

    scores: Scores
    grades: tuple[Grade, ...]


def grade_path(path: Path, protocol: Protocol) -> Graded:
    """Grade a run folder, or any predictions file.

    DataError if there is nothing to grade, or naming the line that is wrong.
    """
    file = path / PREDICTIONS if path.is_dir() else path
    config = read_config(file.parent) if file.name == PREDICTIONS else None
    planned = _planned(config["plan"], file) if config else None
    predictions = read_predictions(file) if file.exists() or not planned else []
    grades = grade_run(predictions, protocol, planned)
    if not grades:
        raise DataError(f"{file} holds no predictions.")
    model = config["config"]["model"] if config else path.stem
    never_asked = sum(not g.id for g in grades)
    notes = [f"{never_asked} questions not asked yet: the run is incomplete"] * bool(never_asked)
    scores = score_run(grades, model=printable(model), notes=notes)
    return Graded(scores=scores, grades=tuple(grades))


def grades_jsonl(run: Graded) -> str:
    """One JSON line per question that was asked: model, id, protocol, what was read, score."""
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
        if g.id
    )


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _planned(plan: object, file: Path) -> PerVideo:
    """What `config.json` says was planned, checked: it may have been edited."""
    try:
        per_video: PerVideo = plan["per_video"]  # type: ignore[index]
        good = all(
            task in QUESTION_TYPES and isinstance(count, int)
            for counts in per_video.values()
            for task, count in counts.items()
        )
    except (KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise DataError(f"The plan in the config.json beside {file} is damaged.")
    return per_video
