"""Audits as tables, JSON and rows: what can be answered without the video, and by what."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vicabench.audits.folds import BY_SCENE, RANDOM
from vicabench.audits.pruning import GLOBAL, LEAST_LEFT, Pruned
from vicabench.audits.result import Audit, by_kind
from vicabench.audits.stress import CHANCE, CONSTANT, FREQUENT, telling
from vicabench.errors import counted
from vicabench.reference.audits import PublishedAudit, published_audits
from vicabench.reporting.comparison import difference_text, estimate_in, rows_for
from vicabench.reporting.tables import NONE, TOO_FEW, Sheet, mean_text, range_text
from vicabench.scoring.stats import record_of
from vicabench.types import Estimate

TITLES = {
    CHANCE: "chance",
    FREQUENT: "frequent",
    CONSTANT: "constant",
    RANDOM: "random\nfolds",
    BY_SCENE: "scene\nfolds",
}
LEAST_TELLING = 0.5
"""The points that a group of features must be worth in a task to be listed."""
TOP = 10
QUESTION_COLUMNS = (
    *("id", "video", "task", "question", "options", "truth", "guess", "score", "bias"),
    *("bias_random", "chance", "constant", "reason", "run"),
)


def audit_sheets(audited: Audit, *, top: int = TOP) -> list[Sheet]:
    """The tables of an audit, each at most 80 columns wide."""
    sheets = [_scores(audited), _features(audited)]
    if audited.blind is not None:
        sheets.append(_blind(audited))
    if audited.published_kept:
        sheets.append(_published(audited, published_audits()))
    if top:
        sheets.append(_guessable(audited, top))
    if audited.pruned is not None:
        sheets += [_curve(audited.pruned), _mix(audited, audited.pruned)]
    return sheets


def _stacked(estimate: Estimate | None) -> str:
    return NONE if estimate is None else f"{mean_text(estimate)}\n{range_text(estimate)}"


def _scores(audited: Audit) -> Sheet:
    name, subset, _ = audited.benchmark
    lines = []
    for row, title in rows_for(audited.stress.rubric):
        cells = [estimate_in(scores, row) for scores in audited.scores.values()]
        if cells[0] is not None:
            size = f"{title}\n{cells[0].count} / {cells[0].clusters}"
            lines.append((size, *map(_stacked, cells)))
    settings = audited.stress.settings
    part = "" if subset == "full" else f" ({subset})"
    return Sheet(
        title=f"{name}{part}: what can be answered without the video",
        columns=("\nn / videos", *TITLES.values()),
        rows=tuple(lines),
        notes=(
            "Forests fitted on the questions and answers of the other folds, without any video "
            f"(Test-set Stress-Test, arXiv 2511.04655): {counted(settings.folds, 'fold')}, seed "
            f"{settings.seed}, {counted(settings.trees, 'tree')} for choices and "
            f"{2 * settings.trees} for numbers. Scene folds hold out whole scenes: the honest "
            "figure; with random folds other questions about a scene give it away.",
            "chance: an option at random, or the answer to another question of the type; frequent: "
            "the commonest letter or number; constant: the number that scores best, or the option "
            "whose text is right most often. All known from other scenes alone.",
            "Scores by the benchmark's own metrics "
            f"in [0, 100], with 95% intervals from a bootstrap over videos; {TOO_FEW}.",
        ),
    )


def _features(audited: Audit) -> Sheet:
    rows = []
    for task in audited.stress.rubric.tasks:
        if task.name not in audited.above.tasks:
            continue
        known = telling(audited.stress, task)
        shown = [(name, points) for name, points in known if points >= LEAST_TELLING][:3]
        above = difference_text(audited.above.tasks[task.name]).replace("\n", " ")
        first = (task.title, above)
        for name, points in shown or [("nothing but its constants", 0.0)]:
            rows.append((first[0], name, f"{points:.1f}" if shown else NONE, first[1]))
            first = ("", "")
    return Sheet(
        title="What gives answers away",
        columns=("", "feature", "points", "above chance"),
        rows=tuple(rows),
        texts=2,
        notes=(
            "above chance: scene folds minus chance, paired, with its 95% interval. "
            "points: what the mean bias of the task loses if the feature says nothing (scene "
            f"folds); below {LEAST_TELLING:g} not listed. Two features that say the same lose "
            "little each.",
        ),
    )


def _blind(audited: Audit) -> Sheet:
    assert audited.blind is not None  # noqa: S101  (for the type checker)
    blind, rows = audited.blind, []
    for row, title in rows_for(audited.stress.rubric):
        forest = estimate_in(audited.scores[BY_SCENE], row)
        mine, minus = estimate_in(blind.scores, row), estimate_in(blind.minus, row)
        if mine is not None and minus is not None:
            rows.append((title, _stacked(mine), _stacked(forest), difference_text(minus)))
    return Sheet(
        title=f"{blind.scores.model} beside the forest",
        columns=("", "run", "scene\nfolds", "run −\nforest"),
        rows=tuple(rows),
        notes=(
            f"Protocol of the run: {blind.scores.protocol}. Differences are paired. The bias of a "
            "question, by which it is ranked and pruned, is the score of this run.",
            *(f"{blind.scores.model}: {note}" for note in blind.scores.notes),
            *_unanswered(blind.scores.overall),
        ),
    )


def _unanswered(estimate: Estimate) -> Iterator[str]:
    if estimate.failed:
        asked = counted(estimate.count, "question")
        yield f"{estimate.failed} of {asked} unanswered, counted as wrong."


def _published(audited: Audit, published: Sequence[PublishedAudit]) -> Sheet:
    rows = []
    for column, folds in ((RANDOM, "random"), (BY_SCENE, "scene")):
        means = by_kind(audited, column)
        cells = [_stacked(means.get(kind)) for kind in ("overall", "choice", "numeric")]
        rows.append(("this forest", folds, *cells))
    if audited.blind is not None:
        rows.append(
            (audited.blind.scores.model, NONE, _stacked(audited.blind.scores.micro), NONE, NONE)
        )
    for row in published:
        numbers = (row.overall, row.choice, row.numeric)
        cells = [NONE if number is None else f"{number:.1f}" for number in numbers]
        rows.append((row.method, row.folds or NONE, *cells))
    sources = "; ".join(dict.fromkeys(row.source for row in published))
    return Sheet(
        title="Beside what is published",
        columns=("", "folds", "micro", "choice", "numeric"),
        rows=tuple(rows),
        texts=2,
        notes=(
            f"Means over questions. Published rows are as printed, without intervals ({sources}). "
            "TsT-RF predicts letters and the mean of a number; this forest predicts the text of an "
            "option, and the number that scores best, so it finds more.",
        ),
    )


def _guessable(audited: Audit, top: int) -> Sheet:
    rows = []
    for place in audited.ranked()[:top]:
        row = question_row(audited, place)
        bias = f"{100 * row['bias']:.0f}"
        rows.append((row["id"], row["task"], row["reason"], row["guess"], bias))
    return Sheet(
        title="The most guessable questions",
        columns=("id", "type", "reason", "guess", "bias"),
        rows=tuple(rows),
        texts=3,
        notes=(
            "bias: the probability that the forest gives the right option, or the score of the "
            "number it gives, in [0, 100], with the scene held out. reason: the feature without "
            "which most of it is lost. --out writes all questions.",
        ),
    )


def _curve(pruned: Pruned) -> Sheet:
    goal = pruned.goal
    wanted = [
        *([counted(goal.size, "question")] if goal.size is not None else []),
        *([f"a mean bias of {goal.bias:g}"] if goal.bias is not None else []),
    ]
    reached = "reached" if pruned.reached else f"not reached: {LEAST_LEFT} of each type stay"
    shared = "all tasks together" if goal.sharing == GLOBAL else "every task by the same share"
    return Sheet(
        title="Pruned by bias",
        columns=("round", "questions", "mean bias"),
        rows=tuple(
            (str(number), f"{one.questions:,}", f"{one.bias:.1f}")
            for number, one in enumerate(pruned.rounds)
        ),
        notes=(
            f"Goal: {' or '.join(wanted)}, {reached}. Removed from {shared}; the bias is measured "
            "again on what remains after every round.",
            "A selection for an audit, not the truth: other guessers remove other questions. "
            "Report scores on all questions beside it.",
        ),
    )


def _mix(audited: Audit, pruned: Pruned) -> Sheet:
    of_type, kept = audited.stress.rubric.of_type, set(pruned.kept)
    published = audited.published_kept
    tasks = {i.question.id: of_type[i.question.task].name for i in audited.stress.items}
    every, mine, theirs = (
        Counter(name for key, name in tasks.items() if key in ids)
        for ids in (set(tasks), kept, published)
    )
    both = Counter(name for key, name in tasks.items() if key in kept & published)
    rows: list[tuple[object, ...]] = [
        (task.title, every[task.name], mine[task.name], theirs[task.name], both[task.name])
        for task in audited.stress.rubric.tasks
        if every[task.name]
    ]
    rows.append(("all", *(c.total() for c in (every, mine, theirs, both))))
    width = 5 if published else 3
    notes = [
        f"In VSI-Bench-Debiased: {len(published):,} (arXiv 2511.04655), chosen by rules per "
        f"type. Overlap of the removed: Jaccard {_jaccard(audited, pruned):.2f}, where random "
        f"lists of these sizes have {_by_chance(every, mine, theirs):.2f}."
    ]
    return Sheet(
        title="What is left of each task",
        columns=("", "questions", "kept", "published", "in both")[:width],
        rows=tuple(tuple(str(cell) for cell in row[:width]) for row in rows),
        notes=tuple(notes if published else ()),
    )


def _jaccard(audited: Audit, pruned: Pruned) -> float:
    """The overlap of what we and the published set remove."""
    removed = {i.question.id for i in audited.stress.items} - audited.published_kept
    mine = set(pruned.removed)
    return len(mine & removed) / len(mine | removed) if mine | removed else 1.0


def _by_chance(every: Counter[str], mine: Counter[str], theirs: Counter[str]) -> float:
    """The overlap of random lists that remove as many questions of each task."""
    gone = [(n, n - mine[name], n - theirs[name]) for name, n in every.items()]
    both = sum(a * b / n for n, a, b in gone)
    either = sum(a + b for _, a, b in gone) - both
    return both / either if either else 1.0


def question_row(audited: Audit, place: int) -> dict[str, Any]:
    """A question with its bias and the reason, by its index in the audit."""
    stress = audited.stress
    item, guess = stress.items[place], stress.guesses[BY_SCENE][place]
    question = item.question
    return {
        "id": question.id,
        "video": question.video,
        "task": question.task,
        "question": question.text,
        "options": " | ".join(question.options),
        "truth": question.answer,
        "guess": guess.answer,
        "score": guess.score,
        "bias": guess.bias,
        "bias_random": stress.guesses[RANDOM][place].bias,
        "chance": stress.constants[CHANCE][place],
        "constant": stress.constants[CONSTANT][place],
        "reason": stress.reason(place),
        "run": None if audited.blind is None else audited.blind.biases[question.id],
    }


def question_rows(audited: Audit) -> list[dict[str, Any]]:
    """All questions, the most guessable first."""
    return [question_row(audited, place) for place in audited.ranked()]


def audit_record(audited: Audit) -> dict[str, Any]:
    """The whole audit as JSON values; undefined intervals are None."""
    name, subset, revision = audited.benchmark
    settings, pruned = audited.stress.settings, audited.pruned
    record: dict[str, Any] = {
        "benchmark": {"name": name, "subset": subset, "revision": revision},
        "settings": vars(settings),
        "scores": {column: record_of(scores) for column, scores in audited.scores.items()},
        "above_chance": record_of(audited.above),
        "features": {
            task.name: dict(telling(audited.stress, task))
            for task in audited.stress.rubric.tasks
            if task.name in audited.above.tasks
        },
        "questions": question_rows(audited),
    }
    if audited.blind is not None:
        record["run"] = {
            "scores": record_of(audited.blind.scores),
            "minus_forest": record_of(audited.blind.minus),
        }
    if audited.published_kept:
        record["published"] = [vars(row) for row in published_audits()]
    if pruned is not None:
        record["pruned"] = {
            "goal": vars(pruned.goal),
            "reached": pruned.reached,
            "curve": [vars(one) for one in pruned.rounds],
            "kept": list(pruned.kept),
            "removed": list(pruned.removed),
        }
    return dict(_no_nan(record))


def _no_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _no_nan(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def score_rows(audited: Audit) -> list[dict[str, Any]]:
    """One row per column and task, then the overall scores: `SCORE_COLUMNS`."""
    named = {**audited.scores, "above_chance": audited.above}
    if audited.blind is not None:
        named |= {"run": audited.blind.scores, "run_minus_forest": audited.blind.minus}
    return [
        {"column": column, "task": row, **_cells(estimate)}
        for column, scores in named.items()
        for row, _ in rows_for(audited.stress.rubric)
        if (estimate := estimate_in(scores, row)) is not None
    ]


SCORE_COLUMNS = ("column", "task", "mean", "low", "high", "questions", "videos")


def _cells(estimate: Estimate) -> Mapping[str, float | int | None]:
    return {
        "mean": estimate.mean,
        "low": None if math.isnan(estimate.low) else estimate.low,
        "high": None if math.isnan(estimate.high) else estimate.high,
        "questions": estimate.count,
        "videos": estimate.clusters,
    }


def guesses_jsonl(audited: Audit) -> str:
    """The guesses of the forest with scenes held out, a line each, as a predictions file."""
    pairs = zip(audited.stress.items, audited.stress.guesses[BY_SCENE], strict=True)
    return "".join(
        json.dumps(
            {
                "id": item.question.id,
                "video": item.question.video,
                "question_type": item.question.task,
                "question": item.question.text,
                "options": list(item.question.options) or None,
                "ground_truth": item.question.answer,
                "response": guess.answer,
            },
            ensure_ascii=False,
        )
        + "\n"
        for item, guess in pairs
    )
