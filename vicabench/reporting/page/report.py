"""The content of a report: its runs, frames and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from vicabench.errors import DataError, UserError
from vicabench.harnesses.protocols import Protocol
from vicabench.metrics import CHOICE, NUMERIC
from vicabench.reference import Published
from vicabench.reporting.figures.bars import ROOM, averages, by_dataset, by_room_size, tasks
from vicabench.reporting.figures.differences import FEWEST_SIDES, differences, radar
from vicabench.reporting.figures.errors import errors, letters
from vicabench.reporting.figures.output import svg
from vicabench.reporting.tables import common_rubric
from vicabench.results.alike import check_alike
from vicabench.results.run import Run
from vicabench.rubric import Rubric
from vicabench.scoring.compare import Comparison
from vicabench.types import Scores

MOST = 60_000_000
"""Maximum bytes of a page with all frames, small enough for browsers and most mail servers."""

USUAL = 8
"""Frames per video if there is room."""

FRAME = 5_500
"""Bytes of a readable frame of 240 by 180 pixels, as measured on Rooms."""

OUTSIDE = 600
"""Overhead in bytes of a video's frames: their element, times and size."""


def room_per_video(page: int, videos: int, most: int = MOST) -> int:
    """Bytes available for the JPEGs of each video on a page of this size; 0 for none.

    Base64 makes four bytes of three.
    """
    return max(0, ((most - page) // max(1, videos) - OUTSIDE) * 3 // 4)


def usual_frames(room: int) -> int:
    """The number of frames per video that fit into this room in readable quality."""
    return min(USUAL, room // FRAME)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Frames of a video as JPEGs of equal size in pixels, and the time of each in seconds.

    `error` says why there are none.
    """

    jpegs: tuple[bytes, ...] = ()
    seconds: tuple[float, ...] = ()
    width: int = 0
    height: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as an SVG element with its caption; `wide` ones take a whole row."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of a report; the headline table uses the first protocol.

    All `comparisons` have the run at index `base` as A. `command` is what made the report,
    `made` says at which `time` and by which `version` and `commit`, `notes` what a reader has to
    know of the whole. `published` rows stand below the runs.
    """

    runs: Sequence[Run]
    protocols: Sequence[Protocol]
    command: str
    made: Mapping[str, str]
    comparisons: Sequence[Comparison] = ()
    base: int | None = None
    drawings: Sequence[Drawing] = ()
    notes: Sequence[str] = ()
    published: Sequence[Published] = ()

    def drawn(self, drawings: Sequence[Drawing], notes: Sequence[str] = ()) -> Report:
        """Add these figures and the notes about them."""
        return replace(self, drawings=drawings, notes=[*self.notes, *notes])

    @property
    def scores(self) -> list[Scores]:
        """The rows of the headline table."""
        return [run.scores(self.protocols[0]) for run in self.runs]

    @property
    def rubric(self) -> Rubric:
        """The tasks of the runs; DataError for runs on different benchmarks."""
        return common_rubric(self.scores)

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks that the runs name, each once; empty if none does."""
        return list(dict.fromkeys(run.benchmark for run in self.runs if run.benchmark))


FEW = 6
"""The maximum number of runs in detailed figures; more only get the averages."""

Draw = Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The figures of a report, and notes about those left out."""

    drawings: list[Drawing]
    notes: list[str]


def gallery(report: Report) -> Gallery:
    """Draw the averages and, for up to `FEW` runs, all figures that have data."""
    result = Gallery(drawings=[], notes=[])
    try:
        check_alike(report.runs, advice="Report them one by one.")
    except UserError as error:
        result.notes.append(f"The figures, which show runs side by side, are left out: {error}")
        return result
    if len(report.runs) > FEW:
        result.notes.append(f"Figures by task are for up to {FEW} runs; these are the averages.")
    for draw, wide in _figures(report, report.protocols[0]):
        try:
            figure = draw()
        except DataError as error:
            result.notes.append(f"A figure is left out: {error}")
            continue
        result.drawings.append(Drawing(svg=svg(figure), caption=str(figure.get_label()), wide=wide))
    return result


def _figures(report: Report, protocol: Protocol) -> Iterator[tuple[Draw, bool]]:
    """The function that draws each figure, and whether it is wide."""
    if len(report.runs) > FEW:
        yield lambda: averages(report.scores, report.published), False
        return
    yield lambda: tasks(report.scores), True
    if report.published:
        yield lambda: averages(report.scores, report.published), False
    if report.comparisons:
        yield lambda: differences(report.comparisons), False
    if len(report.rubric.tasks) >= FEWEST_SIDES:
        yield lambda: radar(report.scores), False
    replied = [run for run in report.runs if run.predictions]
    questions = [p.question for run in replied for p in run.predictions]
    kinds = {report.rubric.of_type[question.task].kind for question in questions}
    if NUMERIC in kinds:
        yield lambda: errors(replied, protocol), False
    if CHOICE in kinds:
        yield lambda: letters(replied, protocol), False
    if len({q.video.partition("/")[0] for q in questions if "/" in q.video}) > 1:
        yield lambda: by_dataset(replied, protocol), False
    if any(question.task == ROOM for question in questions):
        yield lambda: by_room_size(replied, protocol), False
