"""The questions that run B fixed and broke, as tables to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vicabench.reporting.cells import NONE
from vicabench.reporting.sheets import Sheet
from vicabench.scoring.compare import Comparison
from vicabench.text import counted
from vicabench.types import TASK_OF_TYPE, Grade, Question

LONGEST = 80
"""Characters of a question or of what was read that a table shows."""

Grades = Mapping[str, Grade]


def change_sheets(
    comparison: Comparison,
    questions: Mapping[str, Question],
    grades_a: Grades,
    grades_b: Grades,
    *,
    most: int,
) -> list[Sheet]:
    """The `most` questions that B fixed, and those that it broke, the largest changes first."""
    changed = {"fixed": comparison.overall.fixed, "broken": comparison.overall.broke}
    sheets = []
    for word, ids in changed.items():
        ordered = sorted(ids, key=lambda key: -abs(grades_b[key].score - grades_a[key].score))
        rows = [_row(questions.get(k), grades_a[k], grades_b[k]) for k in ordered[:most]]
        sheets.append(
            Sheet(
                title=f"{counted(len(ids), 'question')} {word} by {comparison.model_b} (B), "
                f"against {comparison.model_a} (A); {len(rows)} of them, those that changed most:",
                columns=("id\nvideo", "task", "question", "truth", "A read", "B read", "A", "B"),
                rows=tuple(rows),
                texts=6,
            )
        )
    return sheets


def _row(question: Question | None, a: Grade, b: Grade) -> tuple[str, ...]:
    task = TASK_OF_TYPE[a.task].title
    text, truth = (NONE, NONE) if question is None else (_asked(question), question.answer)
    return (f"{a.id}\n{a.video}", task, text, truth, _read(a), _read(b), _score(a), _score(b))


def _asked(question: Question) -> str:
    return _short(" ".join([question.text, *question.options])) or NONE


def _read(grade: Grade) -> str:
    return f"({grade.outcome})" if grade.read is None else _short(grade.read)


def _score(grade: Grade) -> str:
    return f"{100 * grade.score:.0f}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def by_id(grades: Sequence[Grade]) -> dict[str, Grade]:
    """The grades of a run by question."""
    return {grade.id: grade for grade in grades}
