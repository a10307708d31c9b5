"""The figures of reports/rooms/limits.md, from what rooms_probes and rooms_reasoning wrote."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rooms_layouts import TASKS

from vicabench.reporting.figures import save
from vicabench.reporting.figures.style import INK, PAGE, footer, legend, look, styled

NAMES = {
    "easy": "left or right",
    "medium": "left, right, back",
    "hard": "quadrant",
    "nearest": "nearest of four",
    "order": "order of four",
    "route": "route, two turns",
}


@styled
def probes(found: dict[str, Any]) -> Figure:
    """What linear probes read from the frozen model, and what exact geometry makes of it."""
    figure = Figure(figsize=(PAGE, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    sources = {
        "frames before the projector, exact poses": found["encoder"]["answers"],
        "frames after the projector, exact poses": found["projector"]["answers"],
        "decoder's last state": found["decoder"][-1]["answers"],
        "names of things exchanged": found["exchanged"],
    }
    handles: list[Any] = []
    for number, answers in enumerate(sources.values()):
        places = [n + 0.2 * (number - 1.5) for n in range(len(TASKS))]
        shares = [100 * answers[task][0] for task in TASKS]
        bars = left.bar(places, shares, 0.18, color=look(number).colour, hatch=look(number).hatch)
        handles.append(bars)
        ends = [[100 * abs(answers[t][0] - answers[t][k]) for t in TASKS] for k in (2, 3)]
        left.errorbar(places, shares, ends, fmt="none", ecolor=INK, elinewidth=0.8)
    counts = found["exchanged"]
    names = [f"{NAMES[task]}\nn = {counts[task][1]}" for task in TASKS]
    left.set_xticks(range(len(TASKS)), names)
    left.set_ylim(0, 100)
    left.set_title("Right answers by exact geometry on what was read, %")
    _layers(right, found["decoder"])
    legend(figure, handles, list(sources))
    rooms = found["rooms"]
    footer(
        figure,
        f"Ridge probes fitted on {rooms['train']} rooms and tested on {rooms['test']} others of "
        f"seed {rooms['seed']}; true layouts get 100% of every task. 95% intervals over rooms.",
    )
    return figure


def _layers(axes: Axes, decoder: list[dict[str, Any]]) -> None:
    """The share of variance that the states of each layer explain."""
    for number, (key, name) in enumerate((("place", "place"), ("first_second", "first second"))):
        mark = look(number)
        values = [layer[key]["r2"] for layer in decoder]
        axes.plot(values, color=mark.colour, marker=mark.marker, label=name)
        control = [layer[key]["shuffled"] for layer in decoder]
        axes.plot(control, color=mark.colour, linestyle=":", label=f"{name}, shuffled")
    axes.set_ylim(-0.25, 1)
    axes.set_xlabel("layers of the decoder")
    axes.set_title("R² after a question about a thing")
    axes.legend(loc="upper left", ncols=1)


@styled
def reasoning(curve: list[dict[str, Any]]) -> Figure:
    """How the decoder alone learns to answer about true layouts."""
    figure = Figure(figsize=(PAGE, 2.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    lines = []
    for axes, form in zip(panels, ("in words", "by letter"), strict=True):
        for number, task in enumerate(TASKS):
            counts = [point["right"][f"{task} {form}"] for point in curve]
            shares = [100 * right / n for right, n in counts]
            mark = look(number)
            steps = [point["step"] for point in curve]
            lines += axes.plot(
                steps, shares, color=mark.colour, marker=mark.marker, linestyle=mark.line
            )
        axes.set_title(f"Right answers {form}, %")
        axes.set_xlabel("steps of 24 layouts with 6 questions")
        axes.set_ylim(0, 100)
    legend(figure, lines[: len(TASKS)], [NAMES[task] for task in TASKS])
    numbers = [n for _, n in curve[-1]["right"].values()]
    footer(
        figure,
        f"Trained on random layouts, tested on those of rooms: {min(numbers)} to {max(numbers)} "
        "questions a line. Every layout is new. No intervals.",
    )
    return figure


def main() -> None:
    """Draw both figures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=Path, default=Path("build/rooms-probes/probes.json"))
    parser.add_argument(
        "--reasoning", type=Path, default=Path("build/rooms-reasoning/reasoning.json")
    )
    parser.add_argument("--out", type=Path, default=Path("reports/rooms"))
    options = parser.parse_args()
    save(probes(json.loads(options.probes.read_text())), options.out / "limits-probes.svg")
    save(reasoning(json.loads(options.reasoning.read_text())), options.out / "limits-reasoning.svg")


if __name__ == "__main__":
    main()
