"""Comparisons of runs as tables, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vicabench.errors import counted, csv_text
from vicabench.reporting.tables import COLUMNS, NONE, OVERALL, TOO_FEW, Sheet, cell_text, stacked
from vicabench.rubric import Rubric
from vicabench.scoring.clusters import LEVEL, POWER
from vicabench.scoring.compare import EXACT, FLIPS, Comparison, Difference, UnpairedComparison
from vicabench.scoring.stats import RESAMPLES, SEED
from vicabench.types import Estimate, Scores

MICRO = "micro"
PAIRED = "Differences with 95% intervals from a paired bootstrap over videos."
METHOD = (
    f"{PAIRED} p: paired permutation over videos, "
    "two-sided; p Holm: corrected over the tasks, not for Avg. and Micro. "
    "fixed, broke: questions on which B scores more, less than A."
)
UNPAIRED = (
    "Unpaired: of the published row only printed figures are known. The ranges are the "
    "uncertainty of our run alone, so that of the difference is larger, and no p-value can be "
    "given."
)
AnyComparison = Comparison | UnpairedComparison


def rows_of(comparison: Comparison) -> Iterator[tuple[str, str, Difference]]:
    """Name, title and difference of every row, in the order of the table."""
    differences = {OVERALL: comparison.overall, **comparison.tasks, MICRO: comparison.micro}
    rows = rows_for(comparison.scores_b.rubric)
    return ((name, title, differences[name]) for name, title in rows if name in differences)


def rows_for(rubric: Rubric) -> tuple[tuple[str, str], ...]:
    """Name and title of every row of a comparison: overall scores before and after the tasks."""
    tasks = ((task.name, task.title) for task in rubric.tasks)
    return ((OVERALL, rubric.headline.title), *tasks, (MICRO, "Micro"))


def estimate_in(scores: Scores, name: str) -> Estimate | None:
    """The estimate of a run in this row of the table."""
    return {OVERALL: scores.overall, MICRO: scores.micro, **scores.tasks}.get(name)


def paired_sheet(comparison: Comparison, *, narrow: bool = False) -> Sheet:
    """A against B, one row per task; `narrow` stacks p-values, changes and sizes in pairs."""
    lines = []
    for name, title, difference in rows_of(comparison):
        scores = [estimate_in(s, name) for s in (comparison.scores_a, comparison.scores_b)]
        holm = NONE if difference.p_holm is None else p_text(difference.p_holm)
        changed = (str(len(difference.fixed)), str(len(difference.broke)))
        sizes = (str(difference.count), str(difference.clusters))
        cells = [_score(score) for score in scores]
        same = [] if difference.p_equivalent is None else [p_text(difference.p_equivalent)]
        lines.append(
            (
                title,
                *cells,
                difference_text(difference.estimate),
                *same,
                p_text(difference.p),
                holm,
                *changed,
                *sizes,
            )
        )
    tested = comparison.margin is not None
    tests = (*(("p same",) if tested else ()), "p", "p Holm")
    sheet = Sheet(
        title=f"A: {comparison.model_a}, B: {comparison.model_b}",
        columns=("", "A", "B", "B − A", *tests, "fixed", "broke", "n", "videos"),
        rows=tuple(lines),
        notes=(
            verdict(comparison),
            *undecided(comparison),
            *equivalence(comparison),
            METHOD,
            *_notes(comparison),
        ),
    )
    return stacked(sheet, first=4 + tested) if narrow else sheet


def unpaired_sheet(comparison: UnpairedComparison) -> Sheet:
    """A published row (A) against a run (B)."""
    row, lines = comparison.published, []
    gaps: Mapping[str, Estimate | None] = {OVERALL: comparison.overall, **comparison.tasks}
    for name, title in COLUMNS:
        printed = row.overall if name == OVERALL else row.tasks.get(name)
        ours, gap = estimate_in(comparison.scores, name), gaps.get(name)
        shown = NONE if printed is None else f"{printed:.{row.decimals}f}"
        sizes = (NONE, NONE) if ours is None else (str(ours.count), str(ours.clusters))
        change = NONE if gap is None else difference_text(gap)
        lines.append((title, shown, NONE if ours is None else _score(ours), change, *sizes))
    return Sheet(
        title=f"A: {row.label} (published, {row.source}), B: {comparison.scores.model}",
        columns=("", "A", "B", "B − A", "n", "videos"),
        rows=tuple(lines),
        notes=(UNPAIRED, *_unpaired_notes(comparison)),
    )


def subtracted_sheet(comparisons: Sequence[AnyComparison]) -> Sheet:
    """Every run minus the same blind or chance row, one column per run."""
    gains = {_run_in(comparison): _gains(comparison) for comparison in comparisons}
    rubric = _scores_in(comparisons[0]).rubric
    names = rows_for(rubric)
    lines = [(name, title) for name, title in names if any(name in one for one in gains.values())]
    rows = [(title, *(_gain(one.get(name)) for one in gains.values())) for name, title in lines]
    first = comparisons[0]
    if isinstance(first, Comparison):
        title, notes = f"Less {first.model_a}", [f"{PAIRED} n: questions / videos."]
    else:
        title = f"Less {first.published.label} (published, {first.published.source})"
        notes = [f"{UNPAIRED} n: questions / videos."]
    for one in comparisons:
        notes += _notes(one) if isinstance(one, Comparison) else _unpaired_notes(one)
    return Sheet(
        title=title,
        columns=("", *gains),
        rows=tuple(rows),
        notes=tuple(dict.fromkeys(notes)),
    )


def _scores_in(comparison: AnyComparison) -> Scores:
    return comparison.scores_b if isinstance(comparison, Comparison) else comparison.scores


def verdict(comparison: Comparison) -> str:
    """Summarise the comparison in one or two sentences."""
    overall = comparison.overall
    side = "better" if overall.estimate.mean > 0 else "worse"
    shown = f"B is {side} than A" if overall.p < LEVEL else "no difference is shown"
    text = f"Overall {shown}: {_inline(overall.estimate)}, p {_relation(overall.p)}."
    real = {n: d for n, d in comparison.tasks.items() if d.p_holm is not None and d.p_holm < LEVEL}
    titles = dict(rows_for(comparison.scores_b.rubric))
    better = [titles[name] for name, d in real.items() if d.estimate.mean > 0]
    worse = [titles[name] for name, d in real.items() if d.estimate.mean < 0]
    parts = [
        f"{word} on {', '.join(names)}"
        for word, names in (("better", better), ("worse", worse))
        if names
    ]
    changes = "; ".join(parts) or "no difference is shown on any"
    ended = changes.removesuffix(".")  # a title may end in one: Rel. Dir.
    return f"{text} By task (Holm over {len(comparison.tasks)}, 5% level): {ended}."


def undecided(comparison: Comparison) -> Iterator[str]:
    """What the comparison could have shown where it shows no difference."""
    shown = [
        f"{title} {difference.detectable:.1f}"
        for _, title, difference in rows_of(comparison)
        if not _decided(difference) and not math.isnan(difference.detectable)
    ]
    if shown:
        yield (
            "Where no difference is shown, the points that a true one must have to be shown with "
            f"{100 * POWER:.0f}% power: {', '.join(shown)}."
        )


def _decided(difference: Difference) -> bool:
    return (difference.p if difference.p_holm is None else difference.p_holm) <= LEVEL


def equivalence(comparison: Comparison) -> Iterator[str]:
    """For which scores the two runs differ by less than the margin."""
    if comparison.margin is None:
        return
    same = [
        title
        for _, title, difference in rows_of(comparison)
        if difference.p_equivalent is not None and difference.p_equivalent <= LEVEL
    ]
    yield (
        f"Within ±{comparison.margin:g} points of each other: {', '.join(same) or 'no score'}. "
        "p same: two one-sided permutation tests over videos against a difference of at least "
        "that, not corrected over the tasks."
    )


def difference_text(estimate: Estimate) -> str:
    """`+3.1` and, on a second line, `[−1.1, +7.3]`; `[n/a]` with too few videos."""
    return f"{signed(estimate.mean)}\n{_interval(estimate)}"


def signed(value: float) -> str:
    """One decimal with its sign, as typeset; values that round to zero have no sign."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def p_text(p: float) -> str:
    """Three decimals, or `<0.001`."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _interval(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return "[n/a]"
    return f"[{signed(estimate.low)}, {signed(estimate.high)}]"


def _inline(estimate: Estimate) -> str:
    return f"{signed(estimate.mean)} {_interval(estimate)}"


def _relation(p: float) -> str:
    return p_text(p).replace("<", "< ") if p < 0.001 else f"= {p_text(p)}"


def _score(estimate: Estimate | None) -> str:
    return NONE if estimate is None else cell_text(estimate).replace(" ", "\n", 1)


def _gains(comparison: AnyComparison) -> dict[str, Estimate]:
    if isinstance(comparison, Comparison):
        return {name: difference.estimate for name, _, difference in rows_of(comparison)}
    gaps = {OVERALL: comparison.overall, **comparison.tasks}
    return {name: gap for name, gap in gaps.items() if gap is not None}


def _run_in(comparison: AnyComparison) -> str:
    return comparison.model_b if isinstance(comparison, Comparison) else comparison.scores.model


def _gain(estimate: Estimate | None) -> str:
    if estimate is None:
        return NONE
    return f"{difference_text(estimate)}\nn {estimate.count} / {estimate.clusters}"


def _notes(comparison: Comparison) -> list[str]:
    notes = [f"Protocol: {comparison.protocol}.", *comparison.notes]
    notes += [
        f"{scores.model}: {scores.overall.failed} of {counted(scores.overall.count, 'question')} "
        "unanswered, counted as wrong."
        for scores in (comparison.scores_a, comparison.scores_b)
        if scores.overall.failed
    ]
    if comparison.only_a or comparison.only_b:
        notes.append(
            f"On {counted(comparison.shared, 'shared question')}; left out: "
            f"{comparison.only_a} that only {comparison.model_a} was asked, {comparison.only_b} "
            f"only {comparison.model_b}."
        )
    few = [
        title for _, title, difference in rows_of(comparison) if math.isnan(difference.estimate.low)
    ]
    if few:
        notes.append(f"Intervals of {', '.join(few)} are {TOO_FEW}.")
    return notes


def _unpaired_notes(comparison: UnpairedComparison) -> list[str]:
    scores, row = comparison.scores, comparison.published
    notes = [f"{scores.model}: {scores.protocol} protocol. {row.label}: as printed, {row.source}."]
    notes += comparison.notes
    if not row.consistent:
        notes.append(f"The printed average of {row.label} is not the mean of its tasks.")
    if scores.missing:
        missing = ", ".join(scores.missing)
        notes.append(f"{scores.model}: no questions of {missing}, so no average to compare.")
    return notes


PARTS = ("", "_low", "_high")
CSV_COLUMNS = (
    *("kind", "reference", "model", "protocol", "score", "questions", "videos", "unanswered"),
    *(f"reference_score{part}" for part in PARTS),
    *(f"model_score{part}" for part in PARTS),
    *(f"difference{part}" for part in PARTS),
    *("p", "p_holm", "p_equivalent", "detectable", "fixed", "broke"),
)
Record = dict[str, Any]


def comparison_csv(comparisons: Sequence[AnyComparison]) -> str:
    """One CSV row per difference of every comparison; missing values are empty."""
    return csv_text(CSV_COLUMNS, comparison_records(comparisons)).rstrip("\n")


def comparison_records(comparisons: Sequence[AnyComparison]) -> list[Record]:
    """The rows of the CSV."""
    return [row for comparison in comparisons for row in _rows(comparison)]


def comparison_json(
    comparisons: Sequence[AnyComparison], subtracted: Sequence[AnyComparison]
) -> str:
    """Every comparison with its intervals, p-values, and the ids of fixed and broken questions.

    An interval that does not exist is null. `subtracted` holds the comparisons of the runs with
    the blind or chance row, in the same form.
    """
    content = {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "permutation": {"flips": FLIPS, "exact_up_to_videos": EXACT, "unit": "video"},
        "correction": "Holm over the tasks of a comparison; not over overall, micro or comparisons",
        "comparisons": [_record(comparison) for comparison in comparisons],
        "subtracted": [_record(comparison) for comparison in subtracted],
    }
    return json.dumps(content, indent=2)


def _rows(comparison: AnyComparison) -> Iterator[Record]:
    if isinstance(comparison, UnpairedComparison):
        yield from _unpaired_rows(comparison)
        return
    names = {"reference": comparison.model_a, "model": comparison.model_b}
    head = {"kind": "paired", **names, "protocol": comparison.protocol}
    for name, _, difference in rows_of(comparison):
        scores = [estimate_in(s, name) for s in (comparison.scores_a, comparison.scores_b)]
        yield {
            **head,
            "score": name,
            **_cells("reference_score", scores[0]),
            **_cells("model_score", scores[1]),
            **_cells("difference", difference.estimate),
            **_sizes(difference.estimate),
            "p": f"{difference.p:.4f}",
            "p_holm": "" if difference.p_holm is None else f"{difference.p_holm:.4f}",
            "p_equivalent": ""
            if difference.p_equivalent is None
            else f"{difference.p_equivalent:.4f}",
            "detectable": ""
            if math.isnan(difference.detectable)
            else f"{difference.detectable:.4f}",
            "fixed": len(difference.fixed),
            "broke": len(difference.broke),
        }


def _unpaired_rows(comparison: UnpairedComparison) -> Iterator[Record]:
    row, scores = comparison.published, comparison.scores
    head = {"kind": "unpaired", "reference": row.label, "model": scores.model}
    gaps = {OVERALL: comparison.overall, **comparison.tasks}
    for name, gap in gaps.items():
        if gap is not None:
            yield {
                **head,
                "protocol": scores.protocol,
                "score": name,
                "reference_score": row.overall if name == OVERALL else row.tasks[name],
                **_cells("model_score", estimate_in(scores, name)),
                **_cells("difference", gap),
                **_sizes(gap),
            }


def _cells(name: str, estimate: Estimate | None) -> Record:
    if estimate is None:
        return {}
    values = (estimate.mean, estimate.low, estimate.high)
    texts = ["" if math.isnan(value) else f"{value:.4f}" for value in values]
    return dict(zip((name + part for part in PARTS), texts, strict=True))


def _sizes(estimate: Estimate) -> Record:
    return {
        "questions": estimate.count,
        "videos": estimate.clusters,
        "unanswered": estimate.failed,
    }


def _record(comparison: AnyComparison) -> Record:
    if isinstance(comparison, UnpairedComparison):
        return {
            "kind": "unpaired",
            "model": comparison.scores.model,
            "protocol": comparison.scores.protocol,
            "published": asdict(comparison.published),
            "notes": list(comparison.notes),
            "differences": {
                name: _no_nan(asdict(gap))
                for name, gap in {OVERALL: comparison.overall, **comparison.tasks}.items()
                if gap is not None
            },
        }
    return {
        "kind": "paired",
        "reference": comparison.model_a,
        "model": comparison.model_b,
        "protocol": comparison.protocol,
        "shared": comparison.shared,
        "only_reference": comparison.only_a,
        "only_model": comparison.only_b,
        "margin": comparison.margin,
        "notes": list(comparison.notes),
        "differences": {
            name: _difference(comparison, name, difference)
            for name, _, difference in rows_of(comparison)
        },
    }


def _difference(comparison: Comparison, name: str, difference: Difference) -> Record:
    scores = {"reference": comparison.scores_a, "model": comparison.scores_b}
    sides = {side: estimate_in(row, name) for side, row in scores.items()}
    return {
        **{side: _no_nan(asdict(e)) for side, e in sides.items() if e is not None},
        "difference": _no_nan(asdict(difference.estimate)),
        "p": difference.p,
        "p_holm": difference.p_holm,
        "p_equivalent": difference.p_equivalent,
        "detectable": None if math.isnan(difference.detectable) else difference.detectable,
        "fixed": list(difference.fixed),
        "broke": list(difference.broke),
    }


def _no_nan(values: Mapping[str, Any]) -> Record:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
