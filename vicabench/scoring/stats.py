"""Scores, means and shares with 95% intervals from a bootstrap over videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from vicabench.metrics import Metric
from vicabench.rubric import MICRO, VARIANTS, VSI, WEIGHTED, Overall, Rubric
from vicabench.scoring.replies import question_means
from vicabench.types import ANSWERED, FAILED, OUTCOMES, Estimate, Grade, Scores

FEWEST_VIDEOS = 5
"""The fewest videos for which an interval is computed."""
RESAMPLES = 10_000
SEED = 0
BLOCK = 1_000
Floats = NDArray[np.float64]
Variants = Callable[[int], Sequence[Grade]]
"""A grade for each group of questions, given how many of them have to be right."""
NAN = float("nan")
NOTHING = Estimate(mean=NAN, low=NAN, high=NAN, count=0, clusters=0)


def score_run(
    grades: Sequence[Grade],
    *,
    model: str,
    rubric: Rubric = VSI,
    notes: Iterable[str] = (),
    resamples: int = RESAMPLES,
    variants: Variants | None = None,
    weights: Mapping[str, float] | None = None,
) -> Scores:
    """Aggregate the grades of one run (all by one protocol) to estimates in [0, 100].

    The score of a task is the mean over its questions, or the unweighted mean of its types where
    it has several; overall scores are those of the rubric. Grades that hold differences of two
    runs give estimates of the differences, in [-100, 100]; `variants` then gives the differences
    of groups of questions, which are not those of their questions. `weights` are those of single
    questions by id, 1 for others, with a mean of 1 in every type.

    Several replies to a question count as one: their mean. Videos are resampled with their replies
    as they are, so that the intervals hold the chance of the replies, too.

    Raises:
        ValueError: There are no grades.
    """
    if not grades:
        raise ValueError("there is nothing to score: no grades")
    table = _Table(grades, resamples, rubric.types, weights or {})
    groups = {
        task.name: kinds
        for task in rubric.tasks
        if (kinds := [kind for kind in task.types if table.has(kind)])
    }
    variants = variants or partial(variant_grades, grades)
    overall, *further = [_overall(table, each, groups, variants) for each in rubric.overall]
    return Scores(
        model=model,
        protocol=grades[0].protocol,
        tasks={name: table.estimate([kinds]) for name, kinds in groups.items()},
        types={k: table.estimate([[k]]) for kinds in groups.values() for k in kinds},
        overall=overall,
        micro=table.estimate_micro(),
        valid=table.estimate_valid(),
        outcomes={name: table.outcomes[name] for name in OUTCOMES},
        missing=tuple(task.name for task in rubric.tasks if task.name not in groups),
        notes=(*notes, *_partial(groups, rubric)),
        rubric=rubric,
        further={o.name: e for o, e in zip(rubric.overall[1:], further, strict=True)},
        beside=_beside(question_means(grades), rubric),
    )


def headline_of(grades: Sequence[Grade], rubric: Rubric, variants: Variants) -> Estimate:
    """The headline score of a rubric alone, for one grade a question."""
    table = _Table(grades, RESAMPLES, rubric.types, {})
    groups = {
        task.name: kinds
        for task in rubric.tasks
        if (kinds := [kind for kind in task.types if table.has(kind)])
    }
    return _overall(table, rubric.headline, groups, variants)


def _overall(
    table: _Table, overall: Overall, groups: Mapping[str, Sequence[str]], variants: Variants
) -> Estimate:
    """One overall score; tasks without questions are left out of it."""
    if overall.how == MICRO:
        return table.estimate_micro()
    if overall.how == VARIANTS:
        return mean_grade(variants(overall.at_least))
    wanted, weights = grouping(overall, groups)
    tree = [[groups[name] for name in names] for names in wanted]
    return table.estimate_tree(tree, weights) if tree else NOTHING


def grouping(overall: Overall, known: Collection[str]) -> tuple[list[list[str]], tuple[float, ...]]:
    """The groups of a macro or weighted mean, of the known tasks alone, and their weights."""
    if overall.how == WEIGHTED:
        there = [(name, weight) for name, weight in overall.weights if name in known]
        return [[name] for name, _ in there], tuple(weight for _, weight in there)
    groups = overall.groups or tuple((name,) for name in known)
    inside = [[name for name in group if name in known] for group in groups]
    return [group for group in inside if group], ()


def variant_grades(grades: Sequence[Grade], at_least: int) -> list[Grade]:
    """One grade for each group of questions and repeat: 1 if at least so many are right in it."""
    members: dict[tuple[str, int], list[Grade]] = {}
    for grade in grades:
        members.setdefault((grade.group or grade.id, grade.repeat), []).append(grade)
    return [
        replace(
            group[0],
            id=name,
            score=float(sum(g.score == 1.0 for g in group) >= at_least),
            outcome=FAILED if any(g.failed for g in group) else ANSWERED,
        )
        for (name, _), group in members.items()
    ]


def mean_grade(grades: Sequence[Grade]) -> Estimate:
    """The mean score over questions, or whatever has grades."""
    grades = question_means(grades)
    videos = [grade.video for grade in grades]
    mean, low, high = mean_of([grade.score for grade in grades], videos)
    return Estimate(
        mean=100 * mean,
        low=100 * low,
        high=100 * high,
        count=len(grades),
        clusters=len(set(videos)),
        failed=sum(grade.failed for grade in grades),
    )


def record_of(scores: Scores) -> dict[str, Any]:
    """The scores of a run as JSON values but for NaN; the rubric unless it is VSI-Bench's."""
    record = asdict(replace(scores, rubric=VSI))
    del record["rubric"]
    if scores.repeats is None:
        del record["repeats"]
    if scores.rubric == VSI:
        return {key: value for key, value in record.items() if key not in ("further", "beside")}
    return {**record, "rubric": scores.rubric.to_json()}


def _beside(grades: Sequence[Grade], rubric: Rubric) -> dict[str, dict[str, Estimate]]:
    """The metrics beside the scores, by task and metric."""
    beside = {}
    for task in rubric.tasks:
        mine = [grade for grade in grades if grade.task in task.types] if task.beside else []
        if mine:
            beside[task.name] = {
                metric.name: _mean_beside(mine, place, metric)
                for place, metric in enumerate(task.beside)
            }
    return beside


def _mean_beside(grades: Sequence[Grade], place: int, metric: Metric) -> Estimate:
    known = [g for g in grades if not np.isnan(g.beside[place])]
    mean, low, high = mean_of([g.beside[place] for g in known], [g.video for g in known])
    scale = 1 if metric.is_error else 100
    return Estimate(
        mean=scale * mean,
        low=scale * low,
        high=scale * high,
        count=len(known),
        clusters=len({g.video for g in known}),
        failed=len(grades) - len(known) if metric.is_error else sum(g.failed for g in grades),
    )


def _partial(groups: Mapping[str, Sequence[str]], rubric: Rubric) -> Iterator[str]:
    """Notes on tasks that lack some of their types, where other harnesses crash or differ."""
    for task in rubric.tasks:
        lacking = [kind for kind in task.types if kind not in groups.get(task.name, task.types)]
        if lacking and rubric == VSI:
            yield (
                f"no questions of {', '.join(lacking)}: {task.title} is the mean of its other "
                "types, where the released code and lmms-eval give none and VLMEvalKit averages "
                "the types as tasks"
            )
        elif lacking:
            yield f"no questions of {', '.join(lacking)}: {task.title} is the mean of the rest"


class _Table:
    """Sums of scores and counts of questions, by video and type, with R resamples of the videos.

    Shapes: V videos, K question types, R resamples.
    """

    def __init__(
        self,
        grades: Sequence[Grade],
        resamples: int,
        types: Sequence[str],
        weights: Mapping[str, float],
    ) -> None:
        videos = {video: row for row, video in enumerate(sorted({g.video for g in grades}))}
        columns = {kind: column for column, kind in enumerate(types)}
        self.sums_VK = np.zeros((len(videos), len(columns)))
        self.counts_VK = np.zeros((len(videos), len(columns)))
        self.valid_V1 = np.zeros((len(videos), 1))
        several = any(g.repeat for g in grades)
        replies = Counter(g.id for g in grades) if several else Counter[str]()
        for g in grades:
            share = weights.get(g.id, 1.0) / (replies[g.id] if several else 1)
            self.sums_VK[videos[g.video], columns[g.task]] += share * g.score
            self.counts_VK[videos[g.video], columns[g.task]] += share
            self.valid_V1[videos[g.video]] += share * (g.outcome == ANSWERED)
        self.outcomes = Counter(g.outcome for g in grades)
        self.failed = Counter(g.task for g in grades if g.failed)
        self.column = columns
        all_VN = np.hstack([self.sums_VK, self.counts_VK, self.valid_V1])
        all_RN = np.vstack([w_BV @ all_VN for w_BV in video_resamples(len(videos), resamples)])
        width = len(columns)
        self.sums_RK, self.counts_RK, self.valid_R1 = np.hsplit(all_RN, [width, 2 * width])

    def has(self, kind: str) -> bool:
        return bool(self.counts_VK[:, self.column[kind]].any())

    def estimate(self, groups: Sequence[Sequence[str]]) -> Estimate:
        """The mean over groups of the mean over a group's question types; see `estimate_tree`."""
        return self.estimate_tree([[kinds] for kinds in groups])

    def estimate_tree(
        self, groups: Sequence[Sequence[Sequence[str]]], weights: Sequence[float] = ()
    ) -> Estimate:
        """The (weighted) mean over groups of the mean over tasks of the mean over types.

        The interval is as wide as the type with the fewest videos requires. Resamples without a
        question of one of the types are left out of it. If those are more than half, there is no
        interval: the remaining ones are too similar to the sample itself.
        """
        point = self._macro(self.sums_VK.sum(0), self.counts_VK.sum(0), groups, weights)
        drawn_R = self._macro(self.sums_RK.T, self.counts_RK.T, groups, weights)
        kinds = [kind for group in groups for task in group for kind in task]
        fewest = min(int(self.counts_VK[:, self.column[kind]].astype(bool).sum()) for kind in kinds)
        interval = interval_of(whole_rows(drawn_R[:, None])[:, 0], fewest)
        return self._estimate(kinds, float(point), interval)

    def estimate_micro(self) -> Estimate:
        """The mean over all questions of all tasks."""
        return self._over_questions(self.sums_VK, self.sums_RK)

    def estimate_valid(self) -> Estimate:
        """The share of all questions that are answered, right or wrong."""
        return self._over_questions(self.valid_V1, self.valid_R1)

    def _over_questions(self, sums: Floats, drawn_sums: Floats) -> Estimate:
        point = sums.sum() / self.counts_VK.sum()
        drawn_R = drawn_sums.sum(1) / self.counts_RK.sum(1)
        interval = interval_of(drawn_R, len(self.counts_VK))
        return self._estimate(list(self.column), float(point), interval)

    def _macro(
        self,
        sums: Floats,
        counts: Floats,
        groups: Sequence[Sequence[Sequence[str]]],
        weights: Sequence[float],
    ) -> Floats:
        means = [
            _mean([_mean([self._means(sums, counts, k) for k in kinds]) for kinds in tasks])
            for tasks in groups
        ]
        return _mean(means, weights)

    def _means(self, sums: Floats, counts: Floats, kind: str) -> Floats:
        column = self.column[kind]
        with np.errstate(invalid="ignore"):
            return np.asarray(sums[column] / counts[column], dtype=np.float64)

    def _estimate(self, kinds: list[str], mean: float, interval: tuple[float, float]) -> Estimate:
        counts_VJ = self.counts_VK[:, [self.column[kind] for kind in kinds]]
        return Estimate(
            mean=100 * mean,
            low=100 * interval[0],
            high=100 * interval[1],
            count=round(counts_VJ.sum()),
            clusters=int(counts_VJ.any(axis=1).sum()),
            failed=sum(self.failed[kind] for kind in kinds),
        )


def _mean(values: Sequence[Floats], weights: Sequence[float] = ()) -> Floats:
    if len(values) == 1 and not weights:
        return values[0]
    if weights:
        values = [weight * value for weight, value in zip(weights, values, strict=True)]
    return np.asarray(sum(values) / (sum(weights) or len(values)), dtype=np.float64)


def video_resamples(videos: int, resamples: int) -> Iterator[Floats]:
    """How often each video is drawn in each resample, in blocks (B, V) whose rows sum to V."""
    generator = np.random.default_rng(SEED)
    for start in range(0, resamples, BLOCK):  # blocks bound the memory for many videos
        size = min(BLOCK, resamples - start)
        cells_BV = generator.integers(0, videos, size=(size, videos))
        cells_BV += videos * np.arange(size)[:, None]
        counts = np.bincount(cells_BV.ravel(), minlength=size * videos)
        yield counts.reshape(size, videos).astype(np.float64)


def whole_rows(drawn_RP: Floats) -> Floats:
    """The resamples without NaN if they are at least half of all, else none: shape (0, P)."""
    whole_R = ~np.isnan(drawn_RP).any(axis=1)
    return drawn_RP[whole_R] if 2 * whole_R.sum() >= len(drawn_RP) else drawn_RP[:0]


def interval_of(drawn_R: Floats, clusters: int) -> tuple[float, float]:
    """The expanded percentile interval; NaN without resamples or below `FEWEST_VIDEOS` clusters."""
    if clusters < FEWEST_VIDEOS or not len(drawn_R):
        return float("nan"), float("nan")
    # Hesterberg, "What Teachers Should Know About the Bootstrap" (2015): the plain percentiles
    # are too narrow for few clusters, by the ratio of Student's t to the normal quantile and by
    # the factor n / (n - 1) of the variance.
    t = stdtrit(clusters - 1, 0.975)
    tail = ndtr(-np.sqrt(clusters / (clusters - 1)) * t)
    low, high = np.quantile(drawn_R, [tail, 1 - tail])
    return float(low), float(high)


MEDIAN_RESAMPLES = 2_000
"""Fewer resamples than for means, because each resample of a median visits all values."""


def median_of(values: Sequence[float], videos: Sequence[str]) -> tuple[float, float, float]:
    """The (lower) median and its 95% interval; NaN without values.

    `videos` names the video of each value. Shapes: N values, V videos, B resamples in a block.
    """
    if not values:
        return float("nan"), float("nan"), float("nan")
    order_N = np.argsort(values, kind="stable")
    sorted_N = np.asarray(values, dtype=np.float64)[order_N]
    names = sorted(set(videos))
    index_N = np.searchsorted(names, np.asarray(videos)[order_N])
    drawn: list[Floats] = []
    for w_BV in video_resamples(len(names), MEDIAN_RESAMPLES):
        mass_BN = np.cumsum(w_BV[:, index_N], axis=1)
        place_B = (2 * mass_BN < mass_BN[:, -1:]).sum(axis=1)
        drawn.append(sorted_N[place_B])
    low, high = interval_of(np.concatenate(drawn), len(names))
    return float(sorted_N[(len(values) - 1) // 2]), low, high


def mean_of(values: Sequence[float], videos: Sequence[str]) -> tuple[float, float, float]:
    """The mean and its 95% interval; NaN without values.

    `videos` names the video of each value. Shapes: N values, V videos, R resamples.
    """
    if not values:
        return float("nan"), float("nan"), float("nan")
    rows = {video: row for row, video in enumerate(sorted(set(videos)))}
    place_N = [rows[video] for video in videos]
    sums_V = np.bincount(place_N, weights=values)
    counts_V = np.bincount(place_N)
    weights = video_resamples(len(rows), RESAMPLES)
    drawn_R = np.concatenate([(w_BV @ sums_V) / (w_BV @ counts_V) for w_BV in weights])
    return float(sums_V.sum() / counts_V.sum()), *interval_of(drawn_R, len(rows))


def shares_of(
    labels: Sequence[str], videos: Sequence[str], among: Sequence[str]
) -> list[tuple[float, float, float]]:
    """The share of each label of `among` in all labels, in percent, with its 95% interval.

    NaN without labels. Shapes: V videos, L labels (those of `among`, then all others together),
    R resamples.
    """
    if not labels:
        return [(float("nan"),) * 3 for _ in among]
    names = sorted(set(videos))
    counts_VL = np.zeros((len(names), len(among) + 1))
    rows = {video: row for row, video in enumerate(names)}
    columns = {label: column for column, label in enumerate(among)}
    for label, video in zip(labels, videos, strict=True):
        counts_VL[rows[video], columns.get(label, len(among))] += 1
    drawn_RL = np.vstack([w_BV @ counts_VL for w_BV in video_resamples(len(names), RESAMPLES)])
    shares_RL = 100 * drawn_RL / drawn_RL.sum(axis=1, keepdims=True)
    total_L = counts_VL.sum(axis=0)
    return [
        (float(100 * total_L[c] / total_L.sum()), *interval_of(shares_RL[:, c], len(names)))
        for c in range(len(among))
    ]
