"""The curve of a series of runs, their thinking, and whether the score has saturated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vicabench.curves.fit import FEWEST, Bounded, Fit, fit
from vicabench.errors import DataError, counted
from vicabench.harnesses.protocols import Protocol
from vicabench.results.frames import cells, frame_of
from vicabench.results.run import Run
from vicabench.results.thinking import with_thoughts
from vicabench.rubric import MICRO as MICRO_MEAN
from vicabench.rubric import VARIANTS, Rubric
from vicabench.scoring.stats import (
    RESAMPLES,
    Floats,
    grouping,
    interval_of,
    shares_of,
    variant_grades,
    video_resamples,
    whole_rows,
)
from vicabench.types import ANSWERED, Grade, Scores

if TYPE_CHECKING:
    from pandas import DataFrame


def saturation(name: str, tail: Tail | None, fit: Fit | None) -> str:
    """One sentence about the last quarter of the data, if known, and one about doubling it."""
    sentences = []
    if tail:
        sentences.append(
            f"{name}, growth over the last quarter of the data ({tail.start}–{tail.end}%, "
            f"{counted(tail.points, 'point')}): {points(tail.growth)}, {tail.verdict}."
        )
    if fit:
        sentences.append(
            f"{name}, twice the data would bring {points(fit.doubled)} by the fit {fit.formula} "
            f"({fit.form}); the interval covers other samples of questions, not other training "
            "runs."
        )
    else:
        sentences.append(f"{name}: no saturating fit, which needs {FEWEST} rising points.")
    return " ".join(sentences)


def briefly(name: str, tail: Tail | None, fit: Fit | None) -> str:
    """The content of `saturation` in half a line, for a figure of several series."""
    parts = [f"last quarter {points(tail.growth)}, {tail.verdict}"] if tail else []
    parts.append(f"twice the data {points(fit.doubled)} by {fit.form}" if fit else "no fit")
    return f"{name}: {'; '.join(parts)}."


def points(gain: Bounded) -> str:
    """`+0.5 [−1.1, +2.0] points`; `n/a` if there are too few videos for an interval."""
    if math.isnan(gain.low):
        return f"{signed(gain.value)} [n/a] points"
    return f"{signed(gain.value)} [{signed(gain.low)}, {signed(gain.high)}] points"


def signed(value: float, decimals: int = 1) -> str:
    """`+1.5` or `−0.3`, with a typographic minus; no sign for values that round to zero."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if not float(text) else text.replace("-", "−")


DIRECT, THOUGHT = "direct", "thought"


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """How many of the `questions` were answered directly and how many via thoughts.

    The shares are in percent of all questions, with intervals over videos.
    """

    questions: int
    videos: int
    direct_answers: int
    via_thoughts: int
    direct_share: Bounded
    thought_share: Bounded

    @property
    def valid_outputs(self) -> int:
        """The number of replies that the protocol could read."""
        return self.direct_answers + self.via_thoughts


def adoption(run: Run, protocol: Protocol) -> Adoption | None:
    """Count the direct and the thought-out readable replies; None if no reply has thoughts."""
    thought = with_thoughts(run.predictions)
    if not thought:
        return None
    grades = run.grades(protocol)
    ways = ["" if g.outcome != ANSWERED else THOUGHT if g.id in thought else DIRECT for g in grades]
    direct, via = shares_of(ways, [g.video for g in grades], (DIRECT, THOUGHT))
    return Adoption(
        questions=len(grades),
        videos=len({g.video for g in grades}),
        direct_answers=ways.count(DIRECT),
        via_thoughts=ways.count(THOUGHT),
        direct_share=Bounded(value=direct[0], low=direct[1], high=direct[2]),
        thought_share=Bounded(value=via[0], low=via[1], high=via[2]),
    )


FITTED = 2_000
"""How many resamples are fitted: enough for an interval to one decimal."""
LAST = 0.75
"""The last quarter begins at this share of the largest amount of data."""
LITTLE = 1.0
"""The growth over the last quarter, in points, below which a curve counts as level."""
AVERAGE, MICRO = "average", "micro"
CURVE_COLUMNS = (
    "series", "percent", "model", "task", "score", "low", "high", "step", "step_low", "step_high",
    "questions", "videos", "failed", "protocol", "source",
)  # fmt: skip
"""Of a series' rows and frame; `source` is that of a published point."""
Row = dict[str, Any]
RISING, LEVEL, UNDECIDED = "still rising", "levelled off", "undecided"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A checkpoint: its scores, and the change of the average since the previous point."""

    percent: float
    model: str
    scores: Scores
    step: Bounded | None
    adoption: Adoption | None


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Growth over the last quarter: the slope of its points, times a quarter of the data.

    `verdict` is `still rising` if the interval lies above 0, `levelled off` if it lies below one
    point, else `undecided`.
    """

    start: float
    end: float
    points: int
    growth: Bounded

    @property
    def verdict(self) -> str:
        """Whether the curve is still rising, has levelled off, or neither can be concluded."""
        if self.growth.low > 0:
            return RISING
        return LEVEL if self.growth.high < LITTLE else UNDECIDED


@dataclass(frozen=True, kw_only=True)
class Series:
    """The curve of one series; `gaps` has the reason for each share of the data without a point."""

    name: str
    points: tuple[Point, ...]
    gaps: Mapping[float, str] = field(default_factory=dict)
    fit: Fit | None = None
    tail: Tail | None = None

    @property
    def best(self) -> Point:
        """The point with the highest average; of equal ones, that with the least data."""
        return max(self.points, key=lambda point: point.scores.overall.mean)

    def rows(self) -> list[Row]:
        """A row a checkpoint and column: the average with its step, micro, and every task."""
        return [row for point in self.points for row in _rows(self.name, point)]

    def frame(self) -> DataFrame:
        """The same as a DataFrame with the columns `CURVE_COLUMNS`."""
        return frame_of(self.rows(), CURVE_COLUMNS)


def _rows(series: str, point: Point) -> Iterator[Row]:
    scores, step = point.scores, point.step
    for task, each in {AVERAGE: scores.overall, MICRO: scores.micro, **scores.tasks}.items():
        figures = cells(each)
        failed = figures.pop("unanswered")
        row = {"series": series, "percent": point.percent, "model": point.model, "task": task}
        row |= figures | {"failed": failed, "protocol": scores.protocol}
        if task == AVERAGE and step:
            row |= {"step": step.value, "step_low": step.low, "step_high": step.high}
        yield row


def measure(
    name: str,
    runs: Mapping[float, Run],
    protocol: Protocol,
    gaps: Mapping[float, str] | None = None,
) -> Series:
    """The curve of a series from its runs, by percent of the data.

    Unfinished runs, and runs that answered nothing, become gaps.

    Raises:
        DataError: The runs were asked different questions, or no run is usable.
    """
    left_out = {p: why for p, run in runs.items() if (why := _unusable(run, protocol))}
    used = {p: run for p, run in sorted(runs.items()) if p not in left_out}
    left_out |= gaps or {}
    if not used:
        why = "; ".join(f"{p}%: {reason}" for p, reason in sorted(left_out.items()))
        raise DataError(f"No checkpoint of {name} can be drawn. {why}")
    _refuse_other_questions(used, protocol)
    percent_P = np.array(list(used), dtype=np.float64)
    drawn_RP, clusters = _drawn(
        [run.grades(protocol) for run in used.values()],
        next(iter(used.values())).rubric_for(protocol),
    )
    scores = {p: run.scores(protocol) for p, run in used.items()}
    score_P = np.array([one.overall.mean for one in scores.values()])
    steps = _steps(score_P, drawn_RP, clusters)
    return Series(
        name=name,
        points=tuple(
            Point(
                percent=p,
                model=run.name,
                scores=scores[p],
                step=step,
                adoption=adoption(run, protocol),
            )
            for (p, run), step in zip(used.items(), steps, strict=True)
        ),
        gaps=left_out,
        fit=fit(percent_P, score_P, drawn_RP[:FITTED], clusters),
        tail=_tail(tuple(used), score_P, drawn_RP, clusters),
    )


def _unusable(run: Run, protocol: Protocol) -> str | None:
    """Why a run is not a point of the curve; None if it is."""
    if run.incomplete:
        return run.incomplete
    grades = run.grades(protocol)
    failed = all(grade.failed for grade in grades)
    return f"answered 0 of {counted(len(grades), 'question')}" if failed else None


def _refuse_other_questions(runs: Mapping[float, Run], protocol: Protocol) -> None:
    asked = {p: {(g.id, g.video, g.task) for g in run.grades(protocol)} for p, run in runs.items()}
    first = next(iter(asked))
    for p, questions in asked.items():
        if questions != asked[first]:
            raise DataError(
                f"{runs[p].name} was asked {counted(len(questions), 'question')} and "
                f"{runs[first].name} {len(asked[first])}, {len(questions & asked[first])} of them "
                "the same. A curve needs the same questions at every point: run both on the same "
                "questions, or leave one out."
            )


def _drawn(graded: Sequence[Sequence[Grade]], rubric: Rubric) -> tuple[Floats, int]:
    """The headline scores in [0, 100] of every point in every resample, and the number of videos.

    Resamples without a question of some type are left out. The number of videos is that of the
    type with the fewest, which determines the width of the intervals.
    """
    headline = rubric.headline
    if headline.how == VARIANTS:
        graded = [variant_grades(grades, headline.at_least) for grades in graded]
    videos = {video: row for row, video in enumerate(sorted({g.video for g in graded[0]}))}
    kinds = [kind for kind in rubric.types if any(g.task == kind for g in graded[0])]
    columns = {kind: column for column, kind in enumerate(kinds)}
    sums_VPK = np.zeros((len(videos), len(graded), len(kinds)))
    counts_VK = np.zeros((len(videos), len(kinds)))
    for place, grades in enumerate(graded):
        for g in grades:
            sums_VPK[videos[g.video], place, columns[g.task]] += g.score
    for g in graded[0]:
        counts_VK[videos[g.video], columns[g.task]] += 1
    flat_VN = sums_VPK.reshape(len(videos), -1)
    blocks: list[Floats] = []
    for w_BV in video_resamples(len(videos), RESAMPLES):
        sums_BPK = (w_BV @ flat_VN).reshape(len(w_BV), len(graded), len(kinds))
        with np.errstate(invalid="ignore"):
            blocks.append(_headline(sums_BPK, w_BV @ counts_VK, columns, rubric))
    drawn_RP = whole_rows(np.concatenate(blocks))
    return 100 * drawn_RP, int(counts_VK.astype(bool).sum(axis=0).min())


def _headline(
    sums_BPK: Floats, counts_BK: Floats, columns: Mapping[str, int], rubric: Rubric
) -> Floats:
    """The headline score of the rubric in every resample and point: [B, P]."""
    if rubric.headline.how in (MICRO_MEAN, VARIANTS):
        return np.asarray(sums_BPK.sum(axis=2) / counts_BK.sum(axis=1)[:, None], dtype=np.float64)
    means_BPK = sums_BPK / counts_BK[:, None, :]
    places = {
        task.name: [columns[kind] for kind in task.types if kind in columns]
        for task in rubric.tasks
    }
    tasks = {name: means_BPK[:, :, p].mean(axis=2) for name, p in places.items() if p}
    groups, weights = grouping(rubric.headline, tasks)
    means = [np.mean([tasks[name] for name in group], axis=0) for group in groups]
    return np.asarray(np.average(means, axis=0, weights=weights or None), dtype=np.float64)


def _steps(score_P: Floats, drawn_RP: Floats, clusters: int) -> list[Bounded | None]:
    """The paired change of each point from the previous one; None for the first."""
    changes = [
        interval_of(b - a, clusters) for a, b in zip(drawn_RP.T, drawn_RP.T[1:], strict=False)
    ]
    return [
        None,
        *(
            Bounded(value=float(value), low=low, high=high)
            for value, (low, high) in zip(np.diff(score_P), changes, strict=True)
        ),
    ]


def _tail(
    percents: Sequence[float], score_P: Floats, drawn_RP: Floats, clusters: int
) -> Tail | None:
    """The growth over the last quarter; None for fewer than three points in it."""
    percent_P, last = np.array(percents, dtype=np.float64), percents[-1]
    inside_P = percent_P >= LAST * last
    if inside_P.sum() < 3:
        return None
    centred_P = percent_P[inside_P] - percent_P[inside_P].mean()
    slope_P = centred_P / (centred_P @ centred_P) * last * (1 - LAST)
    low, high = interval_of(drawn_RP[:, inside_P] @ slope_P, clusters)
    return Tail(
        start=percents[int(inside_P.argmax())],
        end=last,
        points=int(inside_P.sum()),
        growth=Bounded(value=float(score_P[inside_P] @ slope_P), low=low, high=high),
    )
