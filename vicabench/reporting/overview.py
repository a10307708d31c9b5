"""One table over several benchmarks: a row for each model, a column for each benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.tables import NONE, TOO_FEW, Sheet, mean_text, meaning_of, range_text
from vicabench.results.run import Run
from vicabench.types import Scores


def benchmark_of(run: Run) -> str:
    """The benchmark of a run with its subset, `revsi:64_frame`."""
    if run.config is None:
        return "unknown"
    config = run.config["config"]
    whole = config["subset"] in ("full", "unknown")
    return str(config["benchmark"] if whole else f"{config['benchmark']}:{config['subset']}")


def overview(runs: Sequence[Run], protocol: Protocol) -> Sheet | None:
    """The headline score of each model on each benchmark; None for runs on a single one."""
    names = list(dict.fromkeys(map(benchmark_of, runs)))
    if len(names) < 2:
        return None
    cells: dict[str, dict[str, Scores]] = {}
    for run in runs:
        model = str(run.config["config"]["model"]) if run.config else run.name
        cells.setdefault(model, {}).setdefault(benchmark_of(run), run.scores(protocol))
    first = {name: next(s for one in cells.values() for n, s in one.items() if n == name)
             for name in names}  # fmt: skip
    notes = [
        f"{name}: {scores.rubric.headline.title}, {meaning_of(scores.rubric.headline)}; "
        f"protocol {scores.protocol}; n = {scores.overall.count:,} in "
        f"{counted(scores.overall.clusters, 'video')}"
        for name, scores in first.items()
    ]
    return Sheet(
        title="Over the benchmarks",
        columns=("model", *names),
        rows=tuple(
            (model, *(_cell(scores.get(name)) for name in names)) for model, scores in cells.items()
        ),
        notes=(*notes, f"Ranges are 95% intervals over videos; {TOO_FEW}."),
    )


def _cell(scores: Scores | None) -> str:
    if scores is None or math.isnan(scores.overall.mean):
        return NONE
    return f"{mean_text(scores.overall)}\n{range_text(scores.overall)}"
