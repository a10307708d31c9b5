"""The page of cognitive maps: the maps that models drew of each video, beside the true one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from vicabench.errors import counted
from vicabench.mapping.drawn import Drawn
from vicabench.mapping.reading import SIZE, Map
from vicabench.reporting.page.render import (
    environment,
    main_script,
    policy,
    style_sheet,
    theme_script,
)
from vicabench.reporting.tables import Sheet
from vicabench.results.run import Run

SCRIPTS = ("elements", "tables", "overview")
CELL = 10
"""The side of a cell in the drawing's units."""
LARGEST = 4.2
"""The radius of the mark of an object that is alone in its cell."""
HUES = 8
LONGEST_REPLY = 4_000


@dataclass(frozen=True, kw_only=True)
class DrawnMaps:
    """The maps that one model drew, and the run with its replies."""

    run: Run
    drawn: Sequence[Drawn]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A circle with the number of its category, in the drawing's units; y grows downwards."""

    x: float
    y: float
    radius: float
    number: int
    hue: int


def render_maps(
    models: Sequence[DrawnMaps], sheets: Sequence[Sheet], *, command: str, made: Mapping[str, str]
) -> str:
    """The whole page.

    Args:
        models: The maps of each model.
        sheets: The tables of their scores.
        command: The command that makes the page.
        made: The time, version and commit of the page.
    """
    videos = list(dict.fromkeys(each.video for model in models for each in model.drawn))
    style = style_sheet(more=("maps",))
    theme, script = theme_script(), main_script(SCRIPTS)
    return environment().get_template("maps.html").render(
        title=f"Cognitive maps of {counted(len(videos), 'video')}",
        policy=policy((style,), (theme, script)),
        style=style,
        theme=theme,
        script=script,
        models=len(models),
        videos=[_video(video, models) for video in videos],
        sheets=[{"sheet": sheet, "rows": _cells(sheet)} for sheet in sheets],
        cells=SIZE,
        cell=CELL,
        command=command,
        made=made,
        sources=[f"{model.run.name}: {model.run.path}" for model in models],
    )  # fmt: skip


def _video(video: str, models: Sequence[DrawnMaps]) -> dict[str, Any]:
    """A video's maps, the true one first, and the categories that any of them has."""
    of_video = [(m.run, each) for m in models for each in m.drawn if each.video == video]
    truth = next((each.truth for _, each in of_video if each.truth is not None), None)
    maps = [found for found in (truth, *(each.found for _, each in of_video)) if found]
    names = sorted({name for found in maps for name in found})
    numbers = {name: place for place, name in enumerate(names, start=1)}
    plots = [] if truth is None else [_plot("True map", truth, numbers, "from the scene", "")]
    for run, each in of_video:
        plots.append(_plot(run.name, each.found, numbers, _verdict(each), _reply(run, video)))
    return {"name": video, "plots": plots, "legend": [_entry(n, k) for n, k in numbers.items()]}


def _entry(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "number": number, "hue": _hue(number)}


def _plot(
    title: str, found: Map | None, numbers: Mapping[str, int], verdict: str, reply: str
) -> dict[str, Any]:
    return {
        "title": title,
        "marks": None if found is None else marks_of(found, numbers),
        "words": "" if found is None else words_of(found),
        "verdict": verdict,
        "reply": reply,
    }


def _verdict(drawn: Drawn) -> str:
    if drawn.unread is not None:
        return f"unread: {drawn.unread}"
    if not (pairs := drawn.pairs):
        return "no true map to compare with"
    return f"{sum(pair.right for pair in pairs)} of {counted(len(pairs), 'distance')} right"


def _reply(run: Run, video: str) -> str:
    """What the model said, shortened in the middle if it is very long."""
    said = next((p.response for p in run.predictions if p.question.video == video), None)
    if said is None or len(said) <= LONGEST_REPLY:
        return said or ""
    half = LONGEST_REPLY // 2
    return f"{said[:half]}\n… {counted(len(said) - 2 * half, 'character')} …\n{said[-half:]}"


def marks_of(found: Map, numbers: Mapping[str, int]) -> list[Mark]:
    """The marks of a map; those of objects in one cell stand side by side within it."""
    inside: dict[tuple[int, int], list[int]] = {}
    for name, cells in found.items():
        for cell in cells:
            inside.setdefault(cell, []).append(numbers[name])
    marks = []
    for (x, y), members in sorted(inside.items()):
        side = math.ceil(math.sqrt(len(members)))
        step = CELL / side
        for place, number in enumerate(sorted(members)):
            marks.append(
                Mark(
                    x=x * CELL + step * (place % side + 0.5),
                    y=(SIZE - 1 - y) * CELL + step * (place // side + 0.5),
                    radius=LARGEST / side,
                    number=number,
                    hue=_hue(number),
                )
            )
    return marks


def words_of(found: Map) -> str:
    """The map in words, for those who do not see it: `bed at 3, 4; chair at 1, 2 and 5, 6`."""
    return "; ".join(
        f"{name} at {' and '.join(f'{x}, {y}' for x, y in cells)}"
        for name, cells in found.items()
        if cells
    )


def _hue(number: int) -> int:
    return (number - 1) % HUES


def _cells(sheet: Sheet) -> list[list[dict[str, str]]]:
    """The rows of a sheet, each cell with its first line and what stands below it."""
    return [
        [
            dict(zip_longest(("mean", "range"), cell.split("\n", maxsplit=1), fillvalue=""))
            for cell in row
        ]
        for row in sheet.rows
    ]
