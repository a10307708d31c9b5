"""The figures of a report: those that its runs have something to show in."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from vicabench.grading.protocols import Protocol
from vicabench.reporting.figures.bars import averages, tasks
from vicabench.reporting.figures.errors import errors
from vicabench.reporting.figures.forest import differences
from vicabench.reporting.figures.groups import by_dataset, by_room_size
from vicabench.reporting.figures.letters import letters
from vicabench.reporting.figures.output import svg
from vicabench.reporting.figures.radar import radar
from vicabench.reporting.page.report import Drawing, Report
from vicabench.types import CHOICE, NUMERIC, TASK_OF_TYPE

FEW = 6
"""More runs than this cannot be told apart side by side: they get the averages alone."""


def drawings(report: Report) -> list[Drawing]:
    """The averages always; the rest for up to `FEW` runs, where there are questions for it."""
    return [
        Drawing(svg=svg(figure), caption=str(figure.get_label()), wide=wide)
        for figure, wide in _figures(report, report.protocols[0])
    ]


def left_out(report: Report) -> list[str]:
    """What is to be said of figures that are not there."""
    if len(report.runs) <= FEW:
        return []
    return [f"Figures by task are for up to {FEW} runs; of more, the averages are drawn."]


def _figures(report: Report, protocol: Protocol) -> Iterator[tuple[Figure, bool]]:
    kinds = {TASK_OF_TYPE[p.question.task].kind for run in report.runs for p in run.predictions}
    videos = {p.question.video for run in report.runs for p in run.predictions}
    if len(report.runs) > FEW:
        yield averages(report.scores), False
        return
    yield tasks(report.scores), True
    if report.comparisons:
        yield differences(report.comparisons), False
    yield radar(report.scores), False
    if NUMERIC in kinds:
        yield errors(report.runs, protocol), False
    if CHOICE in kinds:
        yield letters(report.runs, protocol), False
    if len({video.partition("/")[0] for video in videos if "/" in video}) > 1:
        yield by_dataset(report.runs, protocol), False
    if len(_sized(report)) >= FEWEST_ROOMS:
        yield by_room_size(report.runs, protocol), False


def _sized(report: Report) -> set[str]:
    """The videos whose floor area is asked for."""
    return {
        p.question.video
        for run in report.runs
        for p in run.predictions
        if p.question.task == "room_size_estimation"
    }


FEWEST_ROOMS = 3  # so many are needed to make small, medium and large ones
