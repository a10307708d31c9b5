"""Doubtful right answers as a table, rows, and a list that a person reviews."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vicabench.audits.labels import FEWEST_RUNS, RANGE, RUNS, SCENE, SHARE, Doubt
from vicabench.errors import counted
from vicabench.reporting.tables import Sheet

DOUBT_COLUMNS = (
    *("id", "video", "question_type", "question", "options", "ground_truth", "doubt", "why"),
    *("weight", "beside", "verdict"),
)
NAMES = {
    RUNS: "runs agree on another answer",
    SCENE: "answers about a scene clash",
    RANGE: "out of range",
}


def doubt_row(doubt: Doubt) -> dict[str, Any]:
    """A doubt as JSON values, with room for a person's verdict."""
    question = doubt.question
    return {
        "id": question.id,
        "video": question.video,
        "question_type": question.task,
        "question": question.text,
        "options": list(question.options),
        "ground_truth": question.answer,
        "doubt": doubt.kind,
        "why": doubt.why,
        "weight": doubt.weight,
        "beside": list(doubt.beside),
        "verdict": "",
    }


def doubts_sheet(
    doubts: Sequence[Doubt], *, asked: int, runs: Sequence[str], unseen: Sequence[str], top: int
) -> Sheet:
    """The doubts, the strongest first, and what was looked at."""
    rows = [
        (d.question.id, d.question.task, d.question.answer, d.kind, d.why) for d in doubts[:top]
    ]
    counts = Counter(doubt.kind for doubt in doubts)
    found = "; ".join(f"{NAMES[kind]} {counts[kind]}" for kind in NAMES)
    questions = counted(len({doubt.question.id for doubt in doubts}), "question")
    notes = [f"{questions} of {asked:,} in doubt: {found}."]
    if len(doubts) > top:
        notes.append(f"Listed: {top} of {counted(len(doubts), 'doubt')}; --top shows more.")
    if len(runs) < FEWEST_RUNS:
        seeing = counted(len(runs), "run")
        notes.append(
            f"Agreement of runs is not tested: it takes {FEWEST_RUNS} that saw the videos, and "
            f"here {seeing} did."
        )
    else:
        notes.append(
            f"Runs: {', '.join(runs)}. A doubt where {100 * SHARE:.0f}% of them agree on another "
            "answer; models that learned from the same data may share a mistake."
        )
    if unseen:
        notes.append(f"Left out, as they saw no video: {', '.join(unseen)}.")
    notes.append(
        "A doubt is not a verdict: look at the video, write the verdict `wrong` into the list of "
        "--out, and `score --without` shows both scores."
    )
    return Sheet(
        title="Right answers in doubt",
        columns=("id", "type", "truth", "doubt", "why"),
        rows=tuple(rows),
        notes=tuple(notes),
        texts=5,
    )


def reviewed(rows: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> str:
    """The list as JSON Lines, with the verdicts of an earlier list kept.

    Lines that were given a verdict and are no longer in doubt stay, at the end.
    """

    def key(row: Mapping[str, Any]) -> tuple[str, str]:
        return str(row.get("id")), str(row.get("doubt"))

    verdicts = {key(row): row.get("verdict") for row in before if row.get("verdict")}
    lines = [{**row, "verdict": verdicts.get(key(row), row["verdict"])} for row in rows]
    present = {key(row) for row in rows}
    lines += [dict(row) for row in before if row.get("verdict") and key(row) not in present]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
