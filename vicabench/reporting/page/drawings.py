"""The figures of a report: those that its runs have something to show in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from vicabench.errors import DataError, UserError
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.figures.bars import averages, tasks
from vicabench.reporting.figures.errors import errors
from vicabench.reporting.figures.forest import differences
from vicabench.reporting.figures.groups import ROOM, by_dataset, by_room_size
from vicabench.reporting.figures.letters import letters
from vicabench.reporting.figures.output import svg
from vicabench.reporting.figures.radar import radar
from vicabench.reporting.page.report import Drawing, Report
from vicabench.scoring.alike import check_alike
from vicabench.types import CHOICE, NUMERIC, TASK_OF_TYPE

FEW = 6
"""More runs than this cannot be told apart side by side: they get the averages alone."""

Draw = Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The figures of a report, and what is to be said of those that are left out."""

    drawings: list[Drawing]
    notes: list[str]


def gallery(report: Report) -> Gallery:
    """The averages always; the rest for up to `FEW` runs, where there is something to draw."""
    found = Gallery(drawings=[], notes=[])
    try:
        check_alike(report.runs, advice="Report them one by one.")
    except UserError as error:
        found.notes.append(f"The figures, which show runs side by side, are left out: {error}")
        return found
    if len(report.runs) > FEW:
        found.notes.append(f"Figures by task are for up to {FEW} runs; these are the averages.")
    for draw, wide in _figures(report, report.protocols[0]):
        try:
            figure = draw()
        except DataError as error:
            found.notes.append(f"A figure is left out: {error}")
            continue
        found.drawings.append(Drawing(svg=svg(figure), caption=str(figure.get_label()), wide=wide))
    return found


def _figures(report: Report, protocol: Protocol) -> Iterator[tuple[Draw, bool]]:
    """What draws each figure, and whether it is a wide one."""
    if len(report.runs) > FEW:
        yield lambda: averages(report.scores), False
        return
    yield lambda: tasks(report.scores), True
    if report.comparisons:
        yield lambda: differences(report.comparisons), False
    yield lambda: radar(report.scores), False
    replied = [run for run in report.runs if run.predictions]
    questions = [p.question for run in replied for p in run.predictions]
    kinds = {TASK_OF_TYPE[question.task].kind for question in questions}
    if NUMERIC in kinds:
        yield lambda: errors(replied, protocol), False
    if CHOICE in kinds:
        yield lambda: letters(replied, protocol), False
    if len({q.video.partition("/")[0] for q in questions if "/" in q.video}) > 1:
        yield lambda: by_dataset(replied, protocol), False
    if any(question.task == ROOM for question in questions):
        yield lambda: by_room_size(replied, protocol), False
