"""What differences a benchmark can show: `vicabench power`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicabench.errors import ConfigError, counted
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.compare import one_each
from vicabench.harnesses.protocols import find_protocol
from vicabench.reference import find_published, is_vsi_bench
from vicabench.reporting.comparison import rows_for
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import NONE, Sheet, show_sheets
from vicabench.reporting.tables import OVERALL as FIRST
from vicabench.results.alike import check_pair
from vicabench.results.run import Run
from vicabench.rubric import Rubric
from vicabench.scoring.clusters import LEVEL, POWER
from vicabench.scoring.compare import OVERALL
from vicabench.scoring.power import SEED, SIMULATIONS, Chance, Design, Detectable, study
from vicabench.screen import as_text
from vicabench.types import ANSWERED, Grade

if TYPE_CHECKING:
    from pandas import DataFrame

CORRELATION = 0.5


@dataclass(frozen=True, kw_only=True)
class Power:
    """The differences that each score can show, and what that rests on.

    Attributes:
        scores: The tasks, then the headline and micro scores.
        about: What the spread was taken from.
    """

    scores: tuple[Detectable, ...]
    about: tuple[str, ...]
    rubric: Rubric = field(repr=False)
    level: float
    power: float
    wanted: float | None
    simulations: int
    several: bool = False

    @property
    def sheet(self) -> Sheet:
        """One row for each score, the headline first."""
        known = {each.name: each for each in self.scores}
        known[FIRST] = known[OVERALL]
        rows = [(title, known[name]) for name, title in rows_for(self.rubric) if name in known]
        simulated = self.simulations > 0
        columns = ["", "SE", "paired", *(["simulated"] if simulated else []), "unpaired"]
        columns += [f"videos for {self.wanted:g}"] if self.wanted else []
        columns += [f"replies for {self.wanted:g}"] if self.drawn else []
        lines = [self._line(title, each, simulated) for title, each in rows]
        return Sheet(
            title=f"Smallest differences shown with {100 * self.power:g}% power, in points",
            columns=(*columns, "n", "videos"),
            rows=tuple(lines),
            notes=tuple(self._notes(simulated)),
        )

    @property
    def drawn(self) -> bool:
        """Whether the runs have several replies to each question, and a difference is wanted."""
        return self.wanted is not None and self.several

    def _line(self, title: str, each: Detectable, simulated: bool) -> tuple[str, ...]:
        shown = [NONE if each.simulated is None else f"{100 * each.simulated:.0f}%"]
        needed = [] if not self.wanted else [NONE if each.needed is None else f"{each.needed:,}"]
        replies = [NONE if each.replies is None else f"{each.replies:,}"] if self.drawn else []
        points = [_points(value) for value in (each.error, each.paired)]
        return (
            title,
            *points,
            *(shown if simulated else []),
            _points(each.unpaired),
            *needed,
            *replies,
            f"{each.questions:,}",
            str(each.videos),
        )

    def _notes(self, simulated: bool) -> Iterator[str]:
        yield from self.about
        yield (
            f"Two-sided tests at {100 * self.level:g}%, tasks at the first step of Holm's method. "
            "SE: standard error of a paired difference over videos. paired: two models on the same "
            "questions. unpaired: on two samples of so many videos."
        )
        if simulated:
            yield (
                "simulated: how often the tests of `compare` show the difference in the column "
                f"paired, in {counted(self.simulations, 'draw')} of the videos."
            )
        if self.wanted:
            yield f"videos for {self.wanted:g}: how many, like these, show that paired difference."
        if self.drawn:
            yield (
                f"replies for {self.wanted:g}: how many to each question of each run show it on "
                "these videos; a dash where no number does."
            )

    def table(self) -> str:
        """The table as text."""
        return as_text(lambda page: show_sheets(page, [self.sheet]))

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record for each score; what is not known is None."""
        return [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in map(asdict, self.scores)
        ]

    def frame(self) -> DataFrame:
        """One row for each score: `name`, `error`, `paired`, `unpaired`, `simulated` ..."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame(self.records)

    def __repr__(self) -> str:
        overall = next(each for each in self.scores if each.name == OVERALL)
        return f"<power: shows overall differences >= {_points(overall.paired)}>"

    def _repr_html_(self) -> str:
        return sheet_html(self.sheet)


def _points(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.1f}"


def power(
    a: Run | str | Path | None = None,
    b: Run | str | Path | None = None,
    *,
    published: str | None = None,
    asked: Asked = "vsi-bench",
    protocol: str = "official",
    difference: float | None = None,
    power: float = POWER,
    level: float = LEVEL,
    correlation: float | None = None,
    simulations: int = SIMULATIONS,
) -> Power:
    """The smallest differences that a comparison shows, from pilot runs or a published row.

    Args:
        a: A run, or the path of one.
        b: A second run on the same questions, to measure the spread of the paired difference.
        published: In place of runs: the name of a published row of VSI-Bench. Its questions are
            taken as independent and right or wrong, which is the most that they can spread for
            choices and a bound for numbers; videos then add no variance.
        asked: For a published row: the benchmark whose questions it was asked.
        protocol: The grading protocol of the runs.
        difference: A difference in points: how many videos it needs.
        power: The chance to show a difference that is there.
        level: Of the two-sided tests.
        correlation: Without `b`: of the scores of two models over videos; by default 0.5.
        simulations: How many comparisons to simulate; 0 for none.

    Raises:
        ConfigError: Neither a run nor a row is given, both are, or a number is out of range.
        DataError: A run cannot be read.
    """
    _check(a, b, published, correlation, difference, power, level)
    assumed = CORRELATION if correlation is None else correlation
    if published is not None:
        grades, rubric, about = _of_row(published, asked)
        design = Design.of_one(grades, rubric, assumed)
    else:
        design, about = _of_runs([run for run in (a, b) if run is not None], protocol, assumed)
    if b is None:
        about += (f"Assumed: the scores of two models correlate by {assumed:g} over videos.",)
    scores = study(design, level=level, power=power, wanted=difference, simulations=simulations)
    return Power(
        scores=tuple(scores),
        about=about,
        rubric=design.rubric,
        level=level,
        power=power,
        wanted=difference,
        simulations=simulations,
        several=design.chance is not None,
    )


def _check(
    a: object,
    b: object,
    published: str | None,
    correlation: float | None,
    difference: float | None,
    power: float,
    level: float,
) -> None:
    if (a is None) == (published is None):
        raise ConfigError("Give a pilot run, or a published row with --published: one of them.")
    if b is not None and correlation is not None:
        raise ConfigError("--correlation is for one run: with two, the difference is measured.")
    ranges = {
        "--power": (power, 0, 1),
        "--level": (level, 0, 1),
        "--difference": (50.0 if difference is None else difference, 0, 100),
        "--correlation": (0.0 if correlation is None else correlation, -1, 1),
    }
    for name, (value, low, high) in ranges.items():
        if not low < value < high:
            raise ConfigError(f"{name} must be between {low} and {high}, not {value:g}.")


def _of_runs(
    given: Sequence[Run | str | Path], protocol: str, correlation: float
) -> tuple[Design, tuple[str, ...]]:
    runs, rule = one_each(given), find_protocol(protocol)
    for run in runs:
        if run.incomplete:
            raise ConfigError(f"{run.name} is {run.incomplete}.")
    grades = [run.asked_grades(rule) for run in runs]
    about = f"From {' and '.join(run.name for run in runs)}, {rule.name} protocol."
    rubric = runs[0].rubric_for(rule)
    if len(runs) == 1:
        design = Design.of_one(grades[0], rubric, correlation)
    else:
        check_pair(*runs)
        other = {grade.id: grade for grade in grades[1]}
        design = Design.of_pair([(grade, other[grade.id]) for grade in grades[0]], rubric)
    known = [Chance.of(run.reply_grades(rule), design.difference) for run in runs]
    first, last = known[0], known[-1]
    if first is None or last is None:
        return design, (about,)
    chance = first + last if len(runs) > 1 else first.scaled(2 * (1 - correlation))
    return replace(design, chance=chance), (about,)


def _of_row(name: str, asked: Asked) -> tuple[list[Grade], Rubric, tuple[str, ...]]:
    """Grades drawn with the printed scores, for the questions of the benchmark."""
    row = find_published(name)
    chosen = benchmark(asked, videos_needed=False)
    rubric = chosen.benchmark.rubric
    if not is_vsi_bench(chosen.benchmark.name, chosen.questions):
        raise ConfigError(f"'{row.label}' is a published row for VSI-Bench: leave --benchmark out.")
    if lacking := [task.name for task in rubric.tasks if task.name not in row.tasks]:
        raise ConfigError(f"'{row.label}' has no printed score of {', '.join(lacking)}.")
    generator = np.random.default_rng(SEED)
    grades = [
        Grade(
            id=q.id,
            video=q.scene or q.video,
            task=q.task,
            protocol="official",
            read=None,
            score=float(100 * generator.random() < row.tasks[rubric.of_type[q.task].name]),
            outcome=ANSWERED,
        )
        for q in chosen.questions
    ]
    about = (
        f"From the printed scores of {row.label} ({row.source}) and "
        f"{counted(len(grades), 'question')}, taken as independent and each right or wrong."
    )
    return grades, rubric, (about,)
