"""The common style of figures, for papers, colour-blind readers and grey printers."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from numpy.typing import ArrayLike

from vicabench.errors import counted, printable
from vicabench.scoring.stats import FEWEST_VIDEOS, Floats
from vicabench.types import Scores

P = ParamSpec("P")
COLUMN, PAGE = 3.3, 7.0
"""Widths in inches of one column and of both columns of a paper."""
INK, FAINT, GRID, PALE = "#22262e", "#6b7280", "#d9dce1", "#c3c7ce"
SMALL, TINY = 7.0, 6.0
"""Font sizes in points of primary and secondary text; print needs at least 5.5."""
SCREEN = 110
"""Pixels per inch in a notebook."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same widths everywhere
    "font.size": SMALL,
    "axes.titlesize": SMALL,
    "axes.labelsize": SMALL,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "text.parse_math": False,  # a model's name is text, never markup
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": TINY,
    "ytick.labelsize": TINY,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": TINY,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "hatch.color": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "vicabench",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """The look of one model or one series."""

    colour: str
    line: str | tuple[float, tuple[float, ...]]
    marker: str
    hatch: str


_COLOURS = (
    *("#004488", "#DDAA33", "#BB5566", "#56B4E9", "#117733", "#1b1b1b"),
    *("#44AA99", "#882255", "#EE7733", "#9aa0a6", "#999933", "#AA4499"),
)
_LINES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (4, 1.2, 1, 1.2)),
    (0, (1, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
)
_MARKERS = ("o", "s", "^", "D", "v", "<", ">", "p", "P", "h", "d", "X")
"""Each has room inside, so that hollow ones can be told."""
_HATCHES = (
    *("", "////", "\\\\\\\\", "xxx", "---", "|||"),
    *("....", "++++", "/////....", "ooo", "xx--", "\\\\\\\\||"),
)


def look(place: int) -> Look:
    """The look of the model at this index; after twelve, colours repeat with other marks."""
    colour, turn = place % len(_COLOURS), place + place // len(_COLOURS)
    return Look(
        colour=_COLOURS[colour],
        line=_LINES[turn % len(_LINES)],
        marker=_MARKERS[turn % len(_MARKERS)],
        hatch=_HATCHES[turn % len(_HATCHES)],
    )


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What a paper wants of a figure: width in inches, font, its size in points, and notes.

    None leaves the choice to the figure.
    """

    width: float | None = None
    font: str | None = None
    size: float | None = None
    notes: bool = True

    @property
    def scale(self) -> float:
        """How much larger than usual all texts are."""
        return 1.0 if self.size is None else self.size / SMALL

    @property
    def style(self) -> dict[Any, Any]:
        """Our style with this font."""
        family = STYLE["font.family"]
        return {**STYLE, "font.family": [self.font, family] if self.font else family}


USUAL = Paper()
_PAPER: ContextVar[Paper] = ContextVar("paper", default=USUAL)


@contextmanager
def on_paper(paper: Paper) -> Iterator[None]:
    """Draw and save figures for this paper."""
    token = _PAPER.set(paper)
    try:
        yield
    finally:
        _PAPER.reset(token)


def current_style() -> dict[Any, Any]:
    """The style of the figures that are drawn or saved now."""
    return _PAPER.get().style


def scale() -> float:
    """How much larger than usual texts are drawn now."""
    return _PAPER.get().scale


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function with our style, independent of the user's settings."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context({**mpl.rcParamsDefault, **current_style()}):
            figure = draw(*args, **kwargs)
            _enlarge(figure, _PAPER.get().scale)
            return figure

    return drawn


@contextmanager
def no_glyph_warnings() -> Iterator[None]:
    """Accept names in scripts that the font lacks: drawn as boxes, but kept as text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support ")
        yield


def _enlarge(figure: Figure, scale: float) -> None:
    """Set all texts larger, those of ticks included, which exist only once they are drawn."""
    if scale == 1.0:
        return
    with no_glyph_warnings():
        figure.draw_without_rendering()
    for text in figure.findobj(Text):
        text.set_fontsize(float(text.get_fontsize()) * scale)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_tick_params(labelsize=axis.get_ticklabels()[0].get_fontsize())


_PLACE: ContextVar[SubFigure | None] = ContextVar("place", default=None)


@contextmanager
def drawn_into(place: SubFigure) -> Iterator[None]:
    """Draw the next figure into a part of another one, which keeps its size."""
    token = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(token)


class _Shown(Figure):
    """A figure that notebooks show, even if pyplot has not been imported."""

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        with mpl.rc_context(STYLE), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a script that the font lacks is drawn as boxes
            self.savefig(target, format="png", dpi=SCREEN)
        return target.getvalue()


def blank(width: float, height: float, *, says: str) -> Figure:
    """An empty figure of this size in inches, or of the paper's width; `says` describes it."""
    place = _PLACE.get()
    if place is not None:
        return cast("Figure", place)  # which has all that is asked of a figure, but for its size
    paper = _PAPER.get()
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    size = (paper.width or width, height * max(1.0, paper.scale))
    figure = _Shown(figsize=size, layout=layout)
    figure.set_label(printable(says))
    return figure


def footer(figure: Figure, text: str) -> None:
    """Print the basis of a figure below it: n, videos, protocol, intervals.

    The figure grows by the lines that this takes, and the axes keep their size. Nothing is printed
    for a paper without notes.
    """
    paper = _PAPER.get()
    if not paper.notes:
        return
    characters = int(points(figure) / (TINY * 0.55 * paper.scale))
    lines = textwrap.wrap(printable(text), characters)
    grow(figure, 0.095 * paper.scale * (len(lines) - 1))
    figure.supxlabel("\n".join(lines), fontsize=TINY - 0.5, color=FAINT, x=0.01, ha="left")


def legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Put the legend above the axes; the figure grows by its rows."""
    if not names:
        return
    scale = _PAPER.get().scale
    width = scale * (max(map(len, names)) * TINY * 0.6 + 38)  # of the longest name and its sample
    columns = max(1, min(len(names), int(points(figure) / width)))
    grow(figure, 0.13 * scale * math.ceil(len(names) / columns))
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def points(figure: Figure) -> float:
    """The width of a figure, or of a part of one, in points."""
    return float(figure.bbox.width * 72 / figure.dpi)


def grow(figure: Figure, inches: float) -> None:
    """Make a figure higher; a part of another figure keeps its size."""
    if isinstance(figure, Figure):
        figure.set_figheight(figure.get_figheight() + max(0.0, inches))


def shortened(name: str, length: int = 34) -> str:
    """Shorten a name to fit beside an axis, keeping its end, which distinguishes checkpoints."""
    clean = printable(name).replace("\n", " ")
    return clean if len(clean) <= length else "…" + clean[-(length - 1) :]


CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
"""Behind a number, so that no line strikes it; strokes around it would make its text a drawing."""

HOW = f"95%, bootstrap over videos; omitted for fewer than {FEWEST_VIDEOS} videos"
INTERVALS, BANDS = f"Intervals: {HOW}.", f"Bands: {HOW}."


def basis(scores: Sequence[Scores]) -> str:
    """`n = 5,130 questions in 288 videos; protocol official.`, as ranges where runs differ."""
    asked = spread((row.overall.count for row in scores), "question")
    videos = spread((row.overall.clusters for row in scores), "video")
    protocols = ", ".join(dict.fromkeys(row.protocol for row in scores))
    text = f"n = {asked} in {videos}; protocol {protocols}."
    failed = [row.overall.failed for row in scores]
    return text + (f" {spread(failed)} unanswered, counted as wrong." if any(failed) else "")


def spread(counts: Iterable[int], noun: str | None = None) -> str:
    """`5,130`, or `1,204–5,130` where the counts differ, with the noun that they count."""
    distinct = sorted(set(counts))
    most = f"{distinct[-1]:,}" if noun is None else counted(distinct[-1], noun)
    return most if len(distinct) == 1 else f"{distinct[0]:,}–{most}"


def whiskers(
    axes: Axes,
    at: ArrayLike,
    means: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    *,
    across: bool = False,
    **line: Any,
) -> None:
    """Draw lines from lower to upper bounds, horizontally if `across`.

    Undefined intervals (NaN) are not drawn.
    """
    arms_2N = arms(means, *bounds)
    if across:
        drawn = axes.errorbar(means, at, xerr=arms_2N, fmt="none", color=INK, **line)
    else:
        drawn = axes.errorbar(at, means, yerr=arms_2N, fmt="none", color=INK, **line)
    _, caps, lines = drawn.lines
    for cap in caps:
        cap.set_zorder(lines[0].get_zorder() - 0.1)  # its rim must not part it from its line
    for part in (*caps, *lines):
        part.set_path_effects([withStroke(linewidth=line["lw"] + 0.9, foreground="white")])


def arms(means: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> Floats:
    """The lengths of intervals below and above their means, shape [2, N].

    NaN stays NaN: a whisker of no length would look like certainty.
    """
    mean_N, low_N, high_N = (np.atleast_1d(v).astype(np.float64) for v in (means, lows, highs))
    # A percentile interval need not hold the mean; matplotlib wants no negative arms.
    return np.maximum(0.0, np.stack([mean_N - low_N, high_N - mean_N]))
