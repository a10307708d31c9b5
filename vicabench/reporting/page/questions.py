"""All the questions that the runs of a report were asked, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vicabench.errors import DataError
from vicabench.results.run import Run
from vicabench.scoring.compare import same_truth
from vicabench.types import QUESTION_TYPES, TASK_OF_TYPE, TASKS, Question

UNKNOWN = "This question is planned, but was not asked yet."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The questions in the order of the runs, and the place of each by its id."""

    questions: tuple[Question, ...]
    places: dict[str, int]

    @property
    def videos(self) -> list[str]:
        """The videos in order of first appearance."""
        return list(dict.fromkeys(question.video for question in self.questions))


def collect(runs: Sequence[Run]) -> Asked:
    """The union of the runs' questions; DataError if one id stands for two questions."""
    found: dict[str, tuple[Question, Run]] = {}
    for run in runs:
        for question in (prediction.question for prediction in run.predictions):
            there, first = found.setdefault(question.id, (question, run))
            _check_same(there, question, first, run)
            if not there.text and question.text:  # another harness may leave the words out
                found[question.id] = question, run
    for run in runs:
        for question in _planned(run):
            there, first = found.setdefault(question.id, (question, run))
            if (there.video, there.task) != (question.video, question.task):
                raise _differ(question, first, run)
    questions = tuple(question for question, _ in found.values())
    return Asked(questions=questions, places={q.id: place for place, q in enumerate(questions)})


def columns(asked: Asked) -> dict[str, Any]:
    """The questions as the columns that the page's script reads."""
    kinds = {kind: place for place, kind in enumerate(QUESTION_TYPES)}
    videos = {video: place for place, video in enumerate(asked.videos)}
    tasks = [task.name for task in TASKS]
    return {
        "tasks": [
            {"name": t.name, "title": t.title, "unit": t.unit, "numeric": bool(t.unit)}
            for t in TASKS
        ],
        "kinds": [
            {"name": kind, "task": tasks.index(TASK_OF_TYPE[kind].name)} for kind in QUESTION_TYPES
        ],
        "videos": list(videos),
        "id": [q.id for q in asked.questions],
        "video": [videos[q.video] for q in asked.questions],
        "kind": [kinds[q.task] for q in asked.questions],
        "text": [q.text or UNKNOWN for q in asked.questions],
        "truth": [q.answer for q in asked.questions],
        "options": [list(q.options) or None for q in asked.questions],
    }


def _planned(run: Run) -> list[Question]:
    return [
        Question(id=key, video=video, task=task, text="", answer="")
        for video, asked in run.planned.items()
        for key, task in asked.items()
    ]


def _check_same(one: Question, other: Question, first: Run, second: Run) -> None:
    if (one.video, one.task) != (other.video, other.task) or not same_truth(one, other):
        raise _differ(other, first, second)


def _differ(question: Question, first: Run, second: Run) -> DataError:
    return DataError(
        f"Question {question.id} of {second.path} is not the one of that id in {first.path}: "
        "video, type or ground truth differ. Report runs of different benchmarks one by one."
    )
