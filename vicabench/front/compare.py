"""Paired comparison of two runs, after checking that they are comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.errors import ConfigError, counted
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import Published, find_published, is_vsi_bench
from vicabench.reporting.comparison import (
    CSV_COLUMNS,
    comparison_records,
    difference_text,
    paired_sheet,
)
from vicabench.reporting.files import write_spreadsheet
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import WHOLE
from vicabench.results.alike import check_pair, restricted_to_shared
from vicabench.results.below import expanded
from vicabench.results.frames import comparison_frame
from vicabench.results.run import Run, load_any, load_run, load_runs, with_distinct_names
from vicabench.rubric import VARIANTS
from vicabench.scoring.compare import Comparison, UnpairedComparison, compare_runs, same_truth
from vicabench.scoring.compare import compare_published as subtract_published

if TYPE_CHECKING:
    from pandas import DataFrame

SETTINGS = ("benchmark", "subset", "revision", "frames", "sampling")
"""Configuration fields whose differences between two runs are reported."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A paired comparison and its two runs."""

    a: Run
    b: Run
    result: Comparison

    def save(self, path: str | Path) -> None:
        """Write the differences, a row per task, to a `.csv` or `.xlsx` file.

        ConfigError for another suffix, or a file that cannot be written.
        """
        inputs = [self.a.path, self.b.path]
        write_spreadsheet(Path(path), CSV_COLUMNS, comparison_records([self.result]), keep=inputs)

    def frame(self) -> DataFrame:
        """One row per task, then `overall` and `micro`: both scores, difference, p-values.

        Scores are in [0, 100]; `difference` is B minus A, with its 95% interval `low` to `high`.
        """
        return comparison_frame(self.result)

    def __repr__(self) -> str:
        overall = self.result.overall
        difference = " ".join(difference_text(overall.estimate).split("\n"))
        return (
            f"<{self.b.name} minus {self.a.name}: {difference}, p = {overall.p:.4f}, "
            f"{counted(self.result.shared, 'shared question')}>"
        )

    def _repr_html_(self) -> str:
        return sheet_html(paired_sheet(self.result, narrow=False))


def compare(
    a: Run | str | Path,
    b: Run | str | Path,
    *,
    protocol: str = "official",
    shared: bool = False,
    margin: float | None = None,
) -> Compared:
    """Compare run B with run A, paired by question: B minus A, 95% intervals and p-values.

    Args:
        a: The reference: a run, or the path of a run folder or predictions file.
        b: The run to compare with it.
        protocol: The grading protocol of both.
        shared: Whether runs with different questions are compared on the questions they share.
        margin: In points: also test that the true differences are smaller than this.

    Raises:
        ConfigError: For an unknown protocol, a margin that is not positive, or different questions
            without `shared`.
        DataError: For runs that share no question, or a damaged file.
    """
    rule = find_protocol(protocol)
    first, second = one_each([a, b])
    return paired_runs(first, second, rule, shared, margin)


def compare_published(
    run: Run | str | Path, row: Published | str, *, protocol: str = "official"
) -> UnpairedComparison:
    """Compare a run with a published row, unpaired: the interval covers the run only.

    Args:
        run: A run, or the path of a run folder or predictions file.
        row: The row's name, as `vicabench.published()` lists it.
        protocol: The grading protocol of the run.

    Raises:
        ConfigError: For an unknown row, a run of another benchmark, or an unfinished run.
    """
    rule = find_protocol(protocol)
    row = find_published(row) if isinstance(row, str) else row
    (run,) = one_each([run])
    if not is_vsi_bench(run.benchmark, run.questions):
        raise ConfigError(
            f"'{row.label}' is a published row for VSI-Bench; {run.name} is a run on "
            f"{run.benchmark}. Compare it with runs on the same benchmark."
        )
    if run.incomplete:
        raise ConfigError(
            f"{run.name} is {run.incomplete} and cannot be compared with '{row.label}'."
        )
    scores = run.scores(rule)
    notes = list(run_notes(run))
    if scores.overall.count != WHOLE:
        notes.append(f"{run.name}: {scores.overall.count} of {WHOLE} questions asked.")
    if not row.whole:
        notes.append(f"{row.label} covers a part of the benchmark.")
    return subtract_published(scores, row, notes=notes)


def runs_of(given: Sequence[Run | str | Path], load: Callable[[Path], Run] = load_run) -> list[Run]:
    """Load the runs given as paths, keep the others, and make all their names distinct.

    A folder that is not a run folder stands for the runs below it.

    Raises:
        ConfigError: For no runs, or for other objects.
    """
    if isinstance(given, Run | str | Path):
        raise ConfigError("Give a list of runs, even for a single run: [run].")
    strangers = [type(item).__name__ for item in given if not isinstance(item, Run | str | Path)]
    if strangers or not given:
        raise ConfigError(
            f"Give runs or paths of run folders, not {strangers[0] if strangers else 'none'}. "
            "For rows or a score, use vicabench.score(rows).run."
        )
    items: list[Run | Path] = []
    for item in given:
        below = load is load_any
        items += [item] if isinstance(item, Run) else expanded([Path(item)], descriptions=below)
    read = iter(load_runs([item for item in items if not isinstance(item, Run)], load))
    return with_distinct_names([item if isinstance(item, Run) else next(read) for item in items])


def one_each(given: Sequence[Run | str | Path]) -> list[Run]:
    """Load a run for each; ConfigError for a folder that holds several."""
    runs = runs_of(given)
    if len(runs) != len(given):
        paths = [item for item in given if not isinstance(item, Run)]
        folder = next(path for path in paths if len(expanded([Path(path)])) > 1)
        raise ConfigError(f"{folder} holds several runs. Name one of them.")
    return runs


def shared(runs: Sequence[Run | str | Path]) -> list[Run]:
    """Restrict runs to the questions that all of them were asked.

    Args:
        runs: Runs, or paths of run folders or predictions files.

    Raises:
        ConfigError: For no runs, or for other objects.
        DataError: For runs that share no question, or an id that stands for different questions.
    """
    return restricted_to_shared(runs_of(runs))


def check_margin(margin: float | None) -> None:
    """Raise ConfigError for a margin that is not a number of points above 0, and below 100."""
    if margin is not None and not 0 < margin < 100:
        raise ConfigError(f"The margin must be between 0 and 100 points, not {margin:g}.")


def paired_runs(
    a: Run, b: Run, rule: Protocol, shared: bool, margin: float | None = None
) -> Compared:
    """Compare two runs; ConfigError if their questions differ, unless `shared`."""
    check_margin(margin)
    if margin is not None and a.rubric_for(rule).headline.how == VARIANTS:
        raise ConfigError("--margin is for means over questions, not over groups of variants.")
    if not shared:
        check_pair(a, b)
    grades_a, grades_b = a.asked_grades(rule), b.asked_grades(rule)
    notes = [*differing(a, b), *run_notes(a), *run_notes(b)]
    result = compare_runs(
        grades_a,
        grades_b,
        model_a=a.name,
        model_b=b.name,
        rubric=a.rubric_for(rule),
        notes=notes,
        margin=margin,
    )
    return Compared(a=a, b=b, result=result)


def differing(a: Run, b: Run) -> Iterator[str]:
    """Notes on how two compared runs differ in settings and shared questions."""
    if a.config and b.config:
        ours, theirs = a.config["config"], b.config["config"]
        for name in SETTINGS:
            if ours.get(name) != theirs.get(name) and not (
                name == "benchmark" and _both_ours(a, b)
            ):
                yield f"{name}: {ours.get(name)} in {a.name}, {theirs.get(name)} in {b.name}."
    yield from _differing_replies(a, b)
    yield from differing_questions(a, b)


def _differing_replies(a: Run, b: Run) -> Iterator[str]:
    """Notes on questions with several replies, whose means are paired."""
    if a.repeats != b.repeats:
        yield (
            f"Replies to a question, whose mean is compared: {a.repeats} in {a.name}, {b.repeats} "
            f"in {b.name}."
        )
    if max(a.repeats, b.repeats) > 1 and VARIANTS in {each.how for each in a.rubric.overall}:
        yield "Of several replies to a question in a group, all have to be right here."


def _both_ours(a: Run, b: Run) -> bool:
    """Whether both are runs on VSI-Bench, which has other names in local files than on the hub."""
    return all(run.benchmark and is_vsi_bench(run.benchmark, run.questions) for run in (a, b))


def differing_questions(a: Run, b: Run) -> Iterator[str]:
    """Notes on how the questions that both runs were asked differ."""
    asked = {p.question.id: p.question for p in a.predictions}
    both = [(asked[q.id], q) for p in b.predictions if (q := p.question).id in asked]
    answers = sum(not same_truth(one, other) for one, other in both)
    if answers:
        yield f"Shared questions with another ground truth: {answers}; each run keeps its own."
    texts = sum(
        bool(one.text and other.text) and (one.text, one.options) != (other.text, other.options)
        for one, other in both
    )
    if texts:
        yield f"Shared questions with different wording or option order: {texts}."


def run_notes(run: Run) -> Iterator[str]:
    """Notes that belong to any comparison with the run."""
    return (f"{run.name}: {note}." for note in run.notes)
