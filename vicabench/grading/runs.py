"""The grades of a whole run, unanswered questions included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vicabench.grading.grade import grade
from vicabench.grading.protocols import Protocol
from vicabench.predictions import Prediction
from vicabench.types import FAILED, Grade

Planned = Mapping[str, Mapping[str, str]]


def grade_run(
    predictions: Sequence[Prediction], protocol: Protocol, planned: Planned | None = None
) -> list[Grade]:
    """Grade every prediction; questions that were planned and have none yet count as wrong.

    `planned` gives for each video the type of each question by its id.
    """
    grades = [grade(p, protocol) for p in predictions]
    return grades + list(_never_asked(predictions, protocol, planned or {}))


def _never_asked(
    predictions: Sequence[Prediction], protocol: Protocol, planned: Planned
) -> Iterator[Grade]:
    asked = {p.question.id for p in predictions}
    for video, types in planned.items():
        for key, task in types.items():
            if key not in asked:
                yield Grade(
                    id=key,
                    video=video,
                    task=task,
                    protocol=protocol.name,
                    read=None,
                    score=0.0,
                    outcome=FAILED,
                )
