"""The questions that one run fixed and broke against another, with both replies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from vicabench.errors import counted
from vicabench.reporting.tables import NONE, Sheet
from vicabench.rubric import Rubric
from vicabench.scoring.compare import Comparison
from vicabench.types import Grade, Question

LONGEST = 80
"""Maximum number of characters of a question or an answer in a table."""

Grades = Mapping[str, Grade]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run of a comparison: its grades and raw replies by question id."""

    grades: Grades
    replies: Mapping[str, str | None]


def change_sheets(
    comparison: Comparison, questions: Mapping[str, Question], a: Side, b: Side, *, most: int
) -> list[Sheet]:
    """Up to `most` questions that B fixed and that it broke, with both replies.

    They are spread over the tasks; within a task the largest changes come first.
    """
    changed = {"fixed": comparison.overall.fixed, "broken": comparison.overall.broke}
    sheets = []
    for word, ids in changed.items():
        rubric = comparison.scores_b.rubric
        chosen = _spread(ids, a, b, most, rubric)
        rows = [_row(questions.get(key), key, a, b, rubric) for key in chosen]
        sheets.append(
            Sheet(
                title=f"{counted(len(ids), 'question')} {word} by {comparison.model_b} (B), "
                f"against {comparison.model_a} (A); {len(rows)} of them, spread over the tasks:",
                columns=(
                    *("id\nvideo", "task", "question", "truth"),
                    *("A replied\nread", "B replied\nread", "A", "B"),
                ),
                rows=tuple(rows),
                texts=6,
            )
        )
    return sheets


def _spread(ids: Iterable[str], a: Side, b: Side, most: int, rubric: Rubric) -> list[str]:
    """Questions of each task in turn until there are `most`, listed task by task."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for key in sorted(ids, key=lambda key: -abs(b.grades[key].score - a.grades[key].score)):
        tasks[_task(a.grades[key], rubric)].append(key)
    rounds = zip_longest(*tasks.values())
    chosen = set(islice((key for turn in rounds for key in turn if key), most))
    return [key for keys in tasks.values() for key in keys if key in chosen]


def _task(grade: Grade, rubric: Rubric) -> str:
    return rubric.of_type[grade.task].title


def _row(question: Question | None, key: str, a: Side, b: Side, rubric: Rubric) -> tuple[str, ...]:
    grades = a.grades[key], b.grades[key]
    text, truth = (NONE, NONE) if question is None else (_asked(question), question.answer)
    return (
        *(f"{key}\n{grades[0].video}", _task(grades[0], rubric), text, truth),
        *(_said(side.replies.get(key), side.grades[key]) for side in (a, b)),
        *(f"{100 * grade.score:.0f}" for grade in grades),
    )


def _asked(question: Question) -> str:
    return _short(" ".join([question.text, *question.options])) or NONE


def _said(reply: str | None, grade: Grade) -> str:
    """The reply, and below it what was read from it where that is something else."""
    read = f"({grade.outcome})" if grade.read is None else _short(grade.read)
    said = NONE if reply is None else _short(reply)
    return said if _number(said) == _number(read) else f"{said}\n{read}"


def _number(text: str) -> str | float:
    """The number that the text is, such as `3` for `3.0`; the text itself if it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def _short(text: str) -> str:
    """One line; of a long text both ends, because an answer stands at one of them."""
    line = " ".join(text.split())
    half = (LONGEST - 3) // 2
    return line if len(line) <= LONGEST else f"{line[:half]} … {line[-half:]}"


def by_id(grades: Sequence[Grade]) -> dict[str, Grade]:
    """Index the grades of a run by question id."""
    return {grade.id: grade for grade in grades}
