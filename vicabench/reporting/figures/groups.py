"""Where a model is good: its scores by data set and by the size of the room."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from vicabench.errors import DataError
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.figures.bars import grouped
from vicabench.reporting.figures.basis import INTERVALS, spread
from vicabench.reporting.figures.style import COLUMN, blank, footer, legend, styled
from vicabench.results.run import Run
from vicabench.scoring.stats import score_run
from vicabench.text import counted, printable
from vicabench.types import QUESTION_TYPES, Scores

DATASETS = {"scannet": "ScanNet", "scannetpp": "ScanNet++", "arkitscenes": "ARKitScenes"}
ROOM = "room_size_estimation"
SIZES = ("small", "medium", "large")


@styled
def by_dataset(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """The average score on the videos of each data set, which is what stands before their `/`.

    DataError if the videos' names have no data set in them; ValueError for no run.
    """
    groups = {
        video: DATASETS.get(name, printable(name))
        for run in runs
        for video in _videos(run, protocol)
        for name, slash, _ in [video.partition("/")]
        if slash
    }
    if not groups:
        raise DataError("The names of these videos do not say which data set they are from.")
    return _bars(runs, protocol, groups, says="Average score by data set")


@styled
def by_room_size(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """The average score in small, medium and large rooms: thirds of the videos by floor area.

    The area is the ground truth of a video's room-size question; videos without one are left out.
    DataError if fewer than three videos have one; ValueError for no run.
    """
    areas = {
        p.question.video: float(p.question.answer)
        for run in runs
        for p in run.predictions
        if p.question.task == ROOM
    }
    if len(areas) < len(SIZES):
        raise DataError("Fewer than three of these videos have a question about the room's size.")
    edges = np.quantile(list(areas.values()), [1 / 3, 2 / 3])
    words = (f"small\n≤ {edges[0]:.1f} m²", "medium", f"large\n> {edges[1]:.1f} m²")
    groups = {
        video: words[int(np.searchsorted(edges, area))]
        for video, area in sorted(areas.items(), key=lambda item: item[1])
    }
    return _bars(runs, protocol, groups, says="Average score by the size of the room")


def _videos(run: Run, protocol: Protocol) -> list[str]:
    return [grade.video for grade in run.grades(protocol)]


def _bars(
    runs: Sequence[Run], protocol: Protocol, groups: Mapping[str, str], *, says: str
) -> Figure:
    names = list(dict.fromkeys(groups.values()))
    kinds, rest = _comparable(runs, protocol, groups)
    scored = [{n: _within(run, protocol, groups, n, kinds) for n in names} for run in runs]
    figure = blank(COLUMN, 2.0, says=says)
    axes = figure.add_subplot()
    rows = [
        (run.name, {name: found.overall for name, found in one.items() if found})
        for run, one in zip(runs, scored, strict=True)
    ]
    grouped(axes, {name: float(place) for place, name in enumerate(names)}, rows)
    cells = {name: [one[name] for one in scored] for name in names}
    axes.set_xticks(range(len(names)), [f"{name}\n{_size(cells[name])}" for name in names])
    axes.set_ylabel("Average score (%)")
    legend(figure, *axes.get_legend_handles_labels())
    left_out = sum(v not in groups for v in set(_videos(runs[0], protocol)))
    strangers = f" {counted(left_out, 'video')} in no group." if left_out else ""
    lacking = f" Left out, for not every group has such questions: {', '.join(rest)}."
    text = f"Protocol {protocol.name}. {INTERVALS}{strangers}{lacking if rest else ''}"
    footer(figure, text)
    return figure


def _comparable(
    runs: Sequence[Run], protocol: Protocol, groups: Mapping[str, str]
) -> tuple[set[str], list[str]]:
    """The question types that every group has, which alone may be averaged, and the others."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for grade in run.grades(protocol):
            if grade.video in groups:
                found.setdefault(groups[grade.video], set()).add(grade.task)
    common = set.intersection(*found.values()) if found else set()
    if not common:
        raise DataError("No question type is asked in all of these groups of videos.")
    every = set.union(*found.values())
    return common, [kind for kind in QUESTION_TYPES if kind in every - common]


def _within(
    run: Run, protocol: Protocol, groups: Mapping[str, str], name: str, kinds: Collection[str]
) -> Scores | None:
    grades = [g for g in run.grades(protocol) if groups.get(g.video) == name and g.task in kinds]
    return score_run(grades, model=run.name) if grades else None


def _size(found: Sequence[Scores | None]) -> str:
    there = [scores.overall for scores in found if scores]
    return f"{spread(e.count for e in there)} q., {spread(e.clusters for e in there)} v."
