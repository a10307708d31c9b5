"""What can be answered without the video: `vicabench audit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from rich.console import Console

from vicabench.adapters.extras import explained
from vicabench.audits.pruning import GLOBAL, Goal, prune
from vicabench.audits.result import Audit, audit_of, blind_of
from vicabench.audits.stress import FOLDS, SEED, TREES, Settings, stress
from vicabench.benchmarks import DEFAULT
from vicabench.benchmarks.vsi_bench import COUNTS, published_pruned_ids
from vicabench.errors import ConfigError, csv_text
from vicabench.front.benchmark import Asked, Selection, benchmark
from vicabench.front.progress import bar
from vicabench.harnesses.protocols import find_protocol
from vicabench.reference import are_vsi_bench
from vicabench.reporting.audited import (
    QUESTION_COLUMNS,
    SCORE_COLUMNS,
    TOP,
    audit_record,
    audit_sheets,
    guesses_jsonl,
    question_rows,
    score_rows,
)
from vicabench.reporting.figures.chance import audited_tasks
from vicabench.reporting.figures.output import save
from vicabench.reporting.files import FIGURES, figure_formats, made_folder, write_file
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import SHEET_FORMATS, Sheet, show_sheets
from vicabench.results.frames import frame_of
from vicabench.results.run import Run, load_run
from vicabench.rubric import OFFICIAL
from vicabench.screen import as_text, console

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS = ("text", *SHEET_FORMATS, "csv", "json")


@dataclass(frozen=True, kw_only=True)
class Audited:
    """An audit of a benchmark: scores without sight, and the bias of every question.

    Attributes:
        audit: All guesses and estimates.
        top: How many of the most guessable questions the tables list.
    """

    audit: Audit = field(repr=False)
    top: int = TOP

    @property
    def kept(self) -> tuple[str, ...]:
        """The ids that pruning left, in the order of the benchmark; all of them without pruning."""
        if self.audit.pruned is None:
            return tuple(item.question.id for item in self.audit.stress.items)
        return self.audit.pruned.kept

    def sheets(self) -> list[Sheet]:
        """The tables, at most 80 columns wide."""
        return audit_sheets(self.audit, top=self.top)

    def table(self, style: str = "text") -> str:
        """Format the tables as `vicabench audit` does.

        Args:
            style: `text`, `markdown`, `latex`, `csv` or `json`.

        Raises:
            ConfigError: For another style.
        """
        if style == "text":
            return as_text(lambda page: show_sheets(page, self.sheets()))
        if style in SHEET_FORMATS:
            return SHEET_FORMATS[style](self.sheets())
        if style == "csv":
            return csv_text(SCORE_COLUMNS, score_rows(self.audit))
        if style == "json":
            return json.dumps(audit_record(self.audit), indent=2)
        raise ConfigError(f"There is no style '{style}'. Styles are {', '.join(FORMATS)}.")

    def frame(self) -> DataFrame:
        """One row per question, the most guessable first: guess, bias in [0, 1], and the reason."""
        return frame_of(question_rows(self.audit), QUESTION_COLUMNS)

    def figure(self) -> Figure:
        """How far each task is from chance without sight."""
        return audited_tasks(self.audit)

    def save(self, folder: str | Path, formats: str | Sequence[str] = FIGURES) -> list[Path]:
        """Write the audit to a folder, and return the files.

        `audit.json` has everything; `questions.csv` a row per question; `guesses.jsonl` the
        guesses of the forest, which other commands read as a run; `chance` is the figure. After
        pruning, `kept.txt` and `removed.txt` have an id a line.

        Raises:
            ConfigError: A file cannot be written, or a format is unknown.
        """
        endings = figure_formats(formats)
        place = made_folder(folder)
        texts = {
            "audit.json": self.table("json") + "\n",
            "questions.csv": csv_text(QUESTION_COLUMNS, question_rows(self.audit)),
            "guesses.jsonl": guesses_jsonl(self.audit),
        }
        if self.audit.pruned is not None:
            texts["kept.txt"] = "".join(f"{key}\n" for key in self.audit.pruned.kept)
            texts["removed.txt"] = "".join(f"{key}\n" for key in self.audit.pruned.removed)
        figure = self.figure()
        written = [save(figure, place / f"chance.{ending}") for ending in endings]
        for name, text in texts.items():
            write_file(place / name, text)
        return [*(place / name for name in texts), *written]

    def __repr__(self) -> str:
        forest = self.audit.scores["scene"].overall
        chance = self.audit.scores["chance"].overall
        name, count = self.audit.benchmark[0], len(self.audit.stress.items)
        return (
            f"<Audit of {name}: {forest.mean:.1f} [{forest.low:.1f}–{forest.high:.1f}] without "
            f"sight, chance {chance.mean:.1f}, n = {count:,}>"
        )

    def _repr_html_(self) -> str:
        return "".join(sheet_html(sheet) for sheet in self.sheets())


def audit(
    source: Asked = DEFAULT,
    *,
    run: Run | str | Path | None = None,
    prune_to: int | None = None,
    prune_bias: float | None = None,
    prune_by: str = GLOBAL,
    batch: int | None = None,
    folds: int = FOLDS,
    seed: int = SEED,
    trees: int = TREES,
    top: int = TOP,
    protocol: str = OFFICIAL,
    progress: bool = True,
    **selection: Any,
) -> Audited:
    """Measure what can be answered without the video, from a benchmark's texts and answers alone.

    Forests guess every question from those of the other folds (Test-set Stress-Test, arXiv
    2511.04655). Needs scikit-learn (`vicabench[audit]`), and neither a model nor videos.

    Args:
        source: The benchmark; `selection` are further arguments of `vicabench.benchmark`.
        run: A run without sight, to stand beside the forest; its scores are then the biases.
        prune_to: Remove the most guessable questions until so many are left.
        prune_bias: Or until the mean bias is at most this, in [0, 100].
        prune_by: `all`, or `task`: every task by the same share.
        batch: Questions to remove before the forest is fitted again (default: a twentieth).
        folds: Folds, each guessed from the others.
        seed: Seed of folds and forests.
        trees: Trees of a forest for choices; one for numbers has twice as many.
        top: How many of the most guessable questions the tables list.
        protocol: The grading protocol of `run`.
        progress: Whether to show progress on standard error.

    Raises:
        ConfigError, DataError: As `vicabench.benchmark`; scikit-learn is missing; an argument is
            out of bounds; the run does not belong to these questions.
    """
    goal = _goal(prune_to, prune_bias, prune_by, batch)
    _check(folds, trees, top, protocol if run is None else OFFICIAL)
    settings, screen = Settings(folds=folds, seed=seed, trees=trees), _screen(progress)
    asked = benchmark(source, videos_needed=False, progress=progress, **selection)
    blind = run if run is None or isinstance(run, Run) else load_run(run)
    result = _measured(asked, settings, screen)
    if blind is not None:
        result = replace(result, blind=blind_of(blind, find_protocol(protocol), result))
    return Audited(audit=_pruned(result, asked, goal, screen), top=top)


def _screen(progress: bool) -> Console:
    return console(stderr=True, quiet=not progress)


def _measured(asked: Selection, settings: Settings, screen: Console) -> Audit:
    loaded = asked.benchmark
    with explained(), bar(screen, "Guessing without sight", WHOLE) as advance:
        made = stress(asked.questions, loaded.rubric, settings, progress=partial(_advance, advance))
    result = audit_of((loaded.name, loaded.subset, loaded.revision), made)
    return replace(result, published_kept=_published_kept(asked))


def _pruned(result: Audit, asked: Selection, goal: Goal | None, screen: Console) -> Audit:
    if goal is None:
        return result
    with explained(), bar(screen, "Pruning", WHOLE) as advance:
        pruned = prune(
            asked.questions,
            result.stress.rubric,
            goal,
            result.stress.settings,
            first=result.biases,
            fixed=result.blind is not None,
            progress=partial(_advance, advance),
        )
    return replace(result, pruned=pruned)


WHOLE = 100  # percent, as the number of steps is known only once they begin


def _advance(advance: Callable[[int, int], None], done: int, total: int) -> None:
    advance(WHOLE * done // max(total, 1), WHOLE)


def _goal(size: int | None, bias: float | None, by: str, batch: int | None) -> Goal | None:
    _check_least("--prune", size, 1)
    _check_least("--batch", batch, 1)
    if bias is not None and not 0 < bias < 100:
        raise ConfigError(f"--prune-bias {bias:g}: give a mean bias between 0 and 100.")
    if size is None and bias is None:
        if by != GLOBAL or batch is not None:
            name = "--batch" if by == GLOBAL else "--prune-by"
            raise ConfigError(f"{name} needs a goal: add --prune N or --prune-bias X.")
        return None
    return Goal(size=size, bias=bias, batch=batch or 0, sharing=by)


def _check(folds: int, trees: int, top: int, unused: str) -> None:
    if unused != OFFICIAL:
        raise ConfigError(f"--protocol {unused} is for the run of --with: name one.")
    for name, value, least in (("--folds", folds, 2), ("--trees", trees, 1), ("--top", top, 0)):
        _check_least(name, value, least)


def _check_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise ConfigError(f"{name} {value}: give a whole number from {least} on.")


def _published_kept(asked: Selection) -> frozenset[str]:
    """The ids of VSI-Bench-Debiased if these are all questions of VSI-Bench."""
    if len(asked.questions) != COUNTS["full"] or not are_vsi_bench(asked.questions):
        return frozenset()
    return frozenset(q.id for q in asked.questions) - published_pruned_ids()
