"""An audit whole: beside published rows and lists, and by kind of question."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from tests.audits.synthetic import RUBRIC, choices, longest, sizes
from vicabench.audits.pruning import Goal, prune
from vicabench.audits.result import Audit, audit_of, by_kind, chance_scores
from vicabench.audits.stress import Settings, stress
from vicabench.reference.audits import published_audits
from vicabench.reporting.audited import audit_record, audit_sheets, question_rows
from vicabench.reporting.tables import Sheet

QUICK = Settings(folds=3, trees=4)
QUESTIONS = [*choices(1, scenes=20, right=longest), *sizes(1, scenes=10)]


@pytest.fixture(scope="module")
def audited() -> Audit:
    made = stress(QUESTIONS, RUBRIC, QUICK)
    whole = audit_of(("mine", "full", "1"), made, resamples=200)
    goal = Goal(size=80, batch=40)
    pruned = prune(QUESTIONS, RUBRIC, goal, QUICK, first=whole.biases)
    kept = frozenset(q.id for q in QUESTIONS[::2])
    return replace(whole, pruned=pruned, published_kept=kept)


def named(sheets: list[Sheet], title: str) -> Sheet:
    return next(sheet for sheet in sheets if sheet.title == title)


def test_published_rows_stand_beside_the_means_over_questions(audited: Audit) -> None:
    sheet = named(audit_sheets(audited), "Beside what is published")
    rows = {(row[0], row[1]): row[2] for row in sheet.rows}
    assert rows["TsT-RF", "random"] == "43.0"
    assert rows["TsT-RF", "scene"] == "38.8"
    mean = 100 * fmean(guess.score for guess in audited.stress.guesses["scene"])
    assert rows["this forest", "scene"].split("\n")[0] == f"{mean:.1f}"
    assert {row.source for row in published_audits()} == {"arXiv 2511.04655"}


def test_choices_and_numbers_are_the_parts_of_the_whole(audited: Audit) -> None:
    means = by_kind(audited, "scene")
    weighted = means["choice"].mean * 80 + means["numeric"].mean * 40
    assert means["overall"].mean == pytest.approx(weighted / 120)
    assert means["overall"].mean == pytest.approx(audited.scores["scene"].micro.mean)


def test_what_is_left_is_counted_by_task_beside_the_published_list(audited: Audit) -> None:
    assert audited.pruned is not None
    sheet = named(audit_sheets(audited), "What is left of each task")
    kept, published = set(audited.pruned.kept), audited.published_kept
    numeric = {q.id for q in QUESTIONS if q.task == "size"}
    row = next(row for row in sheet.rows if row[0] == "size")
    parts = (numeric, numeric & kept, numeric & published, numeric & kept & published)
    assert row[1:] == tuple(str(len(part)) for part in parts)
    ids = {q.id for q in QUESTIONS}
    gone, theirs = ids - kept, ids - published
    overlap = len(gone & theirs) / len(gone | theirs)
    assert f"Jaccard {overlap:.2f}" in sheet.notes[0]


def test_the_questions_are_ranked_by_bias_and_say_why(audited: Audit) -> None:
    rows = question_rows(audited)
    assert [row["bias"] for row in rows] == sorted((r["bias"] for r in rows), reverse=True)
    assert {row["id"] for row in rows} == {q.id for q in QUESTIONS}
    assert any(row["reason"] == "its length" for row in rows[:40])
    assert audit_record(audited)["questions"] == rows


def test_chance_is_an_option_or_an_answer_of_the_type_at_random() -> None:
    scores = chance_scores(QUESTIONS, RUBRIC)
    assert scores.tasks["closest"].mean == pytest.approx(25.0)
    assert 0 < scores.tasks["size"].mean < 50
