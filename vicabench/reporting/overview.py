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


def by_benchmark(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each benchmark, by its name.

    Runs that were asked the same questions are of one benchmark, whatever an import calls it.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        name = benchmark_of(run)
        same = (other for other, members in groups.items() if _is_same(members[0], run))
        groups.setdefault(name if name in groups else next(same, name), []).append(run)
    return groups


def _is_same(one: Run, other: Run) -> bool:
    if one.rubric != other.rubric:
        return False
    asked, others = one.asked(), other.asked()
    shared = asked.keys() & others.keys()
    return bool(shared) and all(asked[key] == others[key] for key in shared)


def overview_scores(runs: Sequence[Run], protocol: Protocol) -> dict[str, dict[str, Scores]]:
    """The scores of each model by benchmark; of two runs of one model, the later one counts."""
    scores: dict[str, dict[str, Scores]] = {}
    for name, members in by_benchmark(runs).items():
        for run in members:
            scores.setdefault(model_of(run), {})[name] = run.scores(protocol)
    return scores


def model_of(run: Run) -> str:
    """The name of a run's model without what tells runs of one table apart."""
    return str(run.config["config"]["model"]) if run.config else run.name


def overview(runs: Sequence[Run], protocol: Protocol) -> Sheet | None:
    """The headline score of each model on each benchmark; None for runs on a single one."""
    names = list(by_benchmark(runs))
    if len(names) < 2:
        return None
    return Sheet(
        title="Over the benchmarks",
        columns=("model", *names),
        rows=tuple(
            (model, *(_cell(scores.get(name)) for name in names))
            for model, scores in overview_scores(runs, protocol).items()
        ),
        notes=tuple(overview_notes(runs, protocol)),
    )


def overview_notes(runs: Sequence[Run], protocol: Protocol) -> list[str]:
    """What each benchmark's headline score is the mean of, and how the ranges came about."""
    first = {name: members[0].scores(protocol) for name, members in by_benchmark(runs).items()}
    notes = [
        f"{name}: {scores.rubric.headline.title}, {meaning_of(scores.rubric.headline)}; "
        f"protocol {scores.protocol}; n = {scores.overall.count:,} in "
        f"{counted(scores.overall.clusters, 'video')}"
        for name, scores in first.items()
    ]
    return [*notes, f"Ranges are 95% intervals over videos; {TOO_FEW}."]


def _cell(scores: Scores | None) -> str:
    if scores is None or math.isnan(scores.overall.mean):
        return NONE
    return f"{mean_text(scores.overall)}\n{range_text(scores.overall)}"
