"""The grades of a whole run, unanswered questions included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from vicabench.grading.grade import grade
from vicabench.grading.protocols import Protocol
from vicabench.predictions import Prediction
from vicabench.types import Grade

PerVideo = Mapping[str, Mapping[str, int]]


def grade_run(
    predictions: Sequence[Prediction], protocol: Protocol, planned: PerVideo | None = None
) -> list[Grade]:
    """Grade every prediction; questions that were planned and have none yet count as wrong.

    `planned` gives the number of questions of each type for each video. The grades of questions
    that were never asked have an empty id, since only their number is known.
    """
    grades = [grade(p.question, p.response, protocol) for p in predictions]
    return grades + list(_never_asked(predictions, protocol, planned or {}))


def _never_asked(
    predictions: Sequence[Prediction], protocol: Protocol, planned: PerVideo
) -> Iterator[Grade]:
    asked = Counter((p.question.video, p.question.task) for p in predictions)
    for video, counts in planned.items():
        for task, count in counts.items():
            for _ in range(count - asked[video, task]):
                yield Grade(
                    id="",
                    video=video,
                    task=task,
                    protocol=protocol.name,
                    read=None,
                    score=0.0,
                    failed=True,
                )
